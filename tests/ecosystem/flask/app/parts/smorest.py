"""flask-smorest: its quick start."""

import marshmallow as ma
from flask import Flask
from flask.views import MethodView
from flask_smorest import Api, Blueprint, abort

PETS = {1: {"id": 1, "name": "Rex"}}


class PetSchema(ma.Schema):
    id = ma.fields.Int(dump_only=True)
    name = ma.fields.String(required=True)


class PetQueryArgsSchema(ma.Schema):
    name = ma.fields.String()


blp = Blueprint("pets", "pets", url_prefix="/pets", description="Operations on pets")


@blp.route("/")
class Pets(MethodView):
    @blp.arguments(PetQueryArgsSchema, location="query")
    @blp.response(200, PetSchema(many=True))
    @blp.paginate()
    def get(self, args, pagination_parameters):
        pagination_parameters.item_count = len(PETS)
        return list(PETS.values())

    @blp.arguments(PetSchema)
    @blp.response(201, PetSchema)
    def post(self, new_data):
        item = {"id": len(PETS) + 1, **new_data}
        PETS[item["id"]] = item
        return item


@blp.route("/<int:pet_id>")
class PetsById(MethodView):
    @blp.etag
    @blp.response(200, PetSchema)
    def get(self, pet_id):
        if pet_id not in PETS:
            abort(404, message="Item not found.")
        return PETS[pet_id]

    @blp.etag
    @blp.arguments(PetSchema)
    @blp.response(200, PetSchema)
    def put(self, update_data, pet_id):
        blp.check_etag(PETS[pet_id], PetSchema)
        PETS[pet_id].update(update_data)
        return PETS[pet_id]


def init_app(app: Flask) -> None:
    app.config["API_TITLE"] = "My API"
    app.config["API_VERSION"] = "v1"
    app.config["OPENAPI_VERSION"] = "3.0.2"
    app.config["OPENAPI_URL_PREFIX"] = "/"
    app.config["OPENAPI_SWAGGER_UI_PATH"] = "/swagger-ui"
    app.config["OPENAPI_SWAGGER_UI_URL"] = "https://cdn.jsdelivr.net/npm/swagger-ui-dist/"
    api = Api(app)
    api.register_blueprint(blp)
