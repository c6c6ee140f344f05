from crispy_forms.helper import FormHelper
from crispy_forms.layout import Submit
from django import forms

from .models import Choice, Question


class NameForm(forms.Form):
    your_name = forms.CharField(label="Your name", max_length=100)
    colours = forms.MultipleChoiceField(choices=[("r", "red"), ("g", "green")], required=False)


class MultipleFileInput(forms.ClearableFileInput):
    allow_multiple_selected = True


class MultipleFileField(forms.FileField):
    def __init__(self, *args, **kwargs):
        kwargs.setdefault("widget", MultipleFileInput())
        super().__init__(*args, **kwargs)

    def clean(self, data, initial=None):
        single_file_clean = super().clean
        if isinstance(data, (list, tuple)):
            return [single_file_clean(d, initial) for d in data]
        return [single_file_clean(data, initial)]


class FileFieldForm(forms.Form):
    file_field = MultipleFileField()


class ExampleForm(forms.ModelForm):
    class Meta:
        model = Question
        fields = ["question_text"]

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.helper = FormHelper()
        self.helper.form_id = "id-exampleForm"
        self.helper.form_method = "post"
        self.helper.add_input(Submit("submit", "Submit"))


ChoiceFormSet = forms.inlineformset_factory(Question, Choice, fields=["choice_text"], extra=2)
