"""Flask-Mail and Flask-Mailman: their first pages."""

import os

from flask import Blueprint, Flask
from flask_mail import Mail, Message
from flask_mailman import EmailMessage
from flask_mailman import Mail as Mailman

mail = Mail()
mailman = Mailman()
blueprint = Blueprint("mails", __name__)


@blueprint.post("/mail")
def send_mail():
    msg = Message("Hello", sender="from@example.com", recipients=["to@example.com"])
    msg.body = "testing"
    msg.html = "<b>testing</b>"
    mail.send(msg)
    return "sent"


@blueprint.post("/mailman")
def send_mailman():
    msg = EmailMessage("Hello", "Body goes here", "from@example.com", ["to1@example.com"])
    msg.send()
    return "sent"


def init_app(app: Flask) -> None:
    app.config["MAIL_SERVER"] = "127.0.0.1"
    app.config["MAIL_PORT"] = int(os.environ["PARTS_MAIL_PORT"])
    mail.init_app(app)
    mailman.init_app(app)
    app.register_blueprint(blueprint)
