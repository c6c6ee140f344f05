"""Packages of others, as their documentation shows them."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from typing import Annotated, Any

import strawberry
from fastapi import APIRouter, Depends, FastAPI, HTTPException, Query, Request
from fastapi.responses import HTMLResponse
from opentelemetry.instrumentation.fastapi import FastAPIInstrumentor
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from prometheus_fastapi_instrumentator import Instrumentator
from slowapi import Limiter, _rate_limit_exceeded_handler
from slowapi.errors import RateLimitExceeded
from slowapi.util import get_remote_address
from sqladmin import Admin, ModelView
from sqlmodel import Field, Session, SQLModel, create_engine, select
from sse_starlette.sse import EventSourceResponse
from strawberry.fastapi import GraphQLRouter

from ...adapter import login_not_required

router = APIRouter()


# https://github.com/sysid/sse-starlette
async def numbers(minimum: int, maximum: int) -> AsyncIterator[dict[str, Any]]:
    for i in range(minimum, maximum + 1):
        await asyncio.sleep(0.01)
        yield {"data": i, "event": "number", "id": str(i)}


@router.get("/sse")
async def sse() -> EventSourceResponse:
    return EventSourceResponse(numbers(1, 3))


# https://strawberry.rocks/docs/integrations/fastapi
@strawberry.type
class Query_:
    @strawberry.field
    def hello(self, name: str = "World") -> str:
        return f"Hello {name}"


@strawberry.type
class Mutation:
    @strawberry.mutation
    def add(self, text: str) -> str:
        return text.upper()


schema = strawberry.Schema(Query_, Mutation)
graphql_app = GraphQLRouter(schema)

# https://slowapi.readthedocs.io/
limiter = Limiter(key_func=get_remote_address, headers_enabled=True)


@router.get("/limited")
@login_not_required
@limiter.limit("2/minute")
async def limited(request: Request) -> Any:
    return HTMLResponse(get_remote_address(request))


# https://sqlmodel.tiangolo.com/tutorial/fastapi/
class HeroBase(SQLModel):
    name: str = Field(index=True)
    age: int | None = Field(default=None, index=True)


class Hero(HeroBase, table=True):
    id: int | None = Field(default=None, primary_key=True)


class HeroCreate(HeroBase):
    pass


class HeroPublic(HeroBase):
    id: int


engine = create_engine(
    f"sqlite:///{os.environ.get('PARTS_FOLDER', '.')}/heroes.db",
    connect_args={"check_same_thread": False},
)


def get_session() -> Any:
    with Session(engine) as session:
        yield session


SessionDep = Annotated[Session, Depends(get_session)]


@router.post("/heroes/", response_model=HeroPublic)
def create_hero(*, session: SessionDep, hero: HeroCreate) -> Any:
    db_hero = Hero.model_validate(hero)
    session.add(db_hero)
    session.commit()
    session.refresh(db_hero)
    return db_hero


@router.get("/heroes/", response_model=list[HeroPublic])
def read_heroes(
    *, session: SessionDep, offset: int = 0, limit: int = Query(default=100, le=100)
) -> Any:
    return session.exec(select(Hero).offset(offset).limit(limit)).all()


@router.get("/heroes/{hero_id}", response_model=HeroPublic)
def read_hero(*, session: SessionDep, hero_id: int) -> Any:
    hero = session.get(Hero, hero_id)
    if not hero:
        raise HTTPException(status_code=404, detail="Hero not found")
    return hero


# https://aminalaee.github.io/sqladmin/
class HeroAdmin(ModelView, model=Hero):
    column_list = [Hero.id, Hero.name]


# https://opentelemetry-python-contrib.readthedocs.io/en/latest/instrumentation/fastapi/fastapi.html
exporter = InMemorySpanExporter()
provider = TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(exporter))


@router.get("/spans")
def spans() -> list[Any]:
    return [
        {
            "name": span.name,
            "kind": span.kind.name,
            "attributes": {k: str(v) for k, v in (span.attributes or {}).items()},
        }
        for span in exporter.get_finished_spans()
    ]


def add_to(app: FastAPI) -> None:
    SQLModel.metadata.create_all(engine)
    app.include_router(router)
    app.include_router(graphql_app, prefix="/graphql")
    app.state.limiter = limiter
    app.add_exception_handler(RateLimitExceeded, _rate_limit_exceeded_handler)  # type: ignore[arg-type] # as documented
    admin = Admin(app, engine)
    admin.add_view(HeroAdmin)
    Instrumentator().instrument(app).expose(app)
    FastAPIInstrumentor.instrument_app(app, tracer_provider=provider)
