"""starlette-admin: https://jowilf.github.io/starlette-admin/."""

import os
from pathlib import Path

from fastapi import FastAPI
from sqlalchemy import Integer, String, create_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from starlette_admin.contrib.sqla import Admin, ModelView


class Base(DeclarativeBase):
    pass


class Post(Base):
    __tablename__ = "posts"

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    title: Mapped[str] = mapped_column(String(100))


def add_to(app: FastAPI) -> None:
    engine = create_engine(f"sqlite:///{Path(os.environ['PARTS_FOLDER']) / 'office.db'}")
    Base.metadata.create_all(engine)
    admin = Admin(engine, title="Example: SQLAlchemy", base_url="/office", secret_key="a" * 32)
    admin.add_view(ModelView(Post))
    admin.mount_to(app)
