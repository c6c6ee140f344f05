"""Flask-RESTX, Flask-RESTful, flask-pydantic, flask-marshmallow and strawberry."""

import strawberry
from flask import Blueprint, Flask
from flask_marshmallow import Marshmallow
from flask_pydantic import validate
from flask_restful import Api as RestfulApi
from flask_restful import Resource as RestfulResource
from flask_restful import abort, reqparse
from flask_restx import Api, Resource, fields
from pydantic import BaseModel
from strawberry.flask.views import GraphQLView

from ...adapter import login_not_required

blueprint = Blueprint("todos", __name__, url_prefix="/restx")
api = Api(blueprint, version="1.0", title="TodoMVC API")
ns = api.namespace("todos", description="TODO operations")
todo = api.model(
    "Todo", {"id": fields.Integer(readonly=True), "task": fields.String(required=True)}
)
parser = reqparse.RequestParser()
parser.add_argument("task", required=True)
ma = Marshmallow()


@ns.route("/")
class TodoList(Resource):
    @ns.marshal_list_with(todo)
    def get(self):
        return [{"id": 1, "task": "Build an API", "secret": 1}]

    @ns.expect(todo, validate=True)
    @ns.marshal_with(todo, code=201)
    def post(self):
        return {"id": 2, **api.payload}, 201


@ns.route("/<int:id>")
class Todo(Resource):
    def get(self, id):
        api.abort(404, f"Todo {id} doesn't exist")

    def delete(self, id):
        return "", 204


class Restful(RestfulResource):
    decorators = [login_not_required]

    def get(self, id):
        if id > 3:
            abort(404, message="Todo doesn't exist")
        return {"id": id}, 200, {"Etag": '"some-opaque-string"'}

    def put(self, id):
        return parser.parse_args(), 201


class QueryModel(BaseModel):
    age: int


class BodyModel(BaseModel):
    name: str


class ResponseModel(BaseModel):
    id: int
    age: int
    name: str


class UserSchema(ma.Schema):
    email = ma.Email()
    _links = ma.Hyperlinks({"self": ma.URLFor("user_detail", values={"id": "<id>"})})

    class Meta:
        fields = ("email", "_links")


@strawberry.type
class Query:
    @strawberry.field
    def hello(self) -> str:
        return "world"


def init_app(app: Flask) -> None:
    app.register_blueprint(blueprint)
    RestfulApi(app).add_resource(Restful, "/restful/<int:id>")
    ma.init_app(app)
    view = GraphQLView.as_view("graphql_view", schema=strawberry.Schema(Query))
    app.add_url_rule("/graphql", view_func=view)

    @app.route("/pydantic/<id>", methods=["POST"])
    @validate()
    def pydantic_view(id: int, query: QueryModel, body: BodyModel):
        return ResponseModel(id=id, age=query.age, name=body.name)

    @app.route("/marshmallow/<int:id>")
    def user_detail(id):
        return UserSchema().dump({"email": "ada@example.com", "id": id})
