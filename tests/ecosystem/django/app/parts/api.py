import django_filters
from rest_framework import permissions, routers, serializers, status, viewsets
from rest_framework.authtoken.views import obtain_auth_token  # noqa: F401 - for urls.py
from rest_framework.decorators import api_view, permission_classes, throttle_classes
from rest_framework.parsers import FileUploadParser
from rest_framework.response import Response
from rest_framework.throttling import UserRateThrottle
from rest_framework.views import APIView

from .models import Question


class QuestionSerializer(serializers.ModelSerializer):
    class Meta:
        model = Question
        fields = ["id", "question_text", "status"]


class QuestionFilter(django_filters.FilterSet):
    question_text = django_filters.CharFilter(lookup_expr="icontains")

    class Meta:
        model = Question
        fields = ["status", "question_text"]


class QuestionViewSet(viewsets.ModelViewSet):
    queryset = Question.objects.order_by("id")
    serializer_class = QuestionSerializer
    filterset_class = QuestionFilter


class FewThrottle(UserRateThrottle):
    scope = "few"


@api_view(["GET"])
@throttle_classes([FewThrottle])
def few(request):
    return Response({"message": "Hello for today!"})


@api_view(["GET", "POST"])
@permission_classes([permissions.AllowAny])
def hello(request):
    if request.method == "POST":
        return Response({"message": "Got some data!", "data": request.data})
    return Response({"user": request.user.get_username()})


class FileUploadView(APIView):
    parser_classes = [FileUploadParser]

    def put(self, request, filename, format=None):
        return Response(
            {"name": filename, "size": request.data["file"].size}, status=status.HTTP_201_CREATED
        )


router = routers.DefaultRouter()
router.register("questions", QuestionViewSet)
