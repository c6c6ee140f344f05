# Owned by the template: extend, do not edit.
"""Flask and the boundary: sessions, who may see a view, and our face for Flask's own errors."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import nullcontext
from functools import lru_cache, partial
from typing import Any

from flask import (
    Flask,
    Request,
    Response,
    current_app,
    has_app_context,
    has_request_context,
    request,
)
from flask.json.tag import TaggedJSONSerializer
from flask.logging import default_handler
from flask.sessions import SecureCookieSessionInterface, SessionInterface, SessionMixin
from typing_extensions import override
from werkzeug.datastructures import Headers
from werkzeug.debug.tbtools import DebugTraceback
from werkzeug.exceptions import HTTPException, InternalServerError
from werkzeug.routing import RequestRedirect

from ..config import Settings
from ..security import responses
from ..security.accounts import Accounts
from ..security.boundary import Boundary
from ..security.errors import Problem, allow_header
from ..security.events import emit, note
from ..security.keys import Keys
from ..security.sessions import Session
from ..security.stores import StoreError
from .authorship import raised_in
from .compose import KEY, Exchange, compose
from .inventory import layers
from .templates import ERROR_PAGE, JINJA_OPTIONS, use_error_page, variables
from .wsgi import BoundaryMiddleware, Environ, WsgiRequestHead

_ERROR, _WRONG_METHOD = 400, 405
_TAGS = TaggedJSONSerializer()
_MADE_UP = "security.made_up"
"""In the environ of a request that `test_request_context` has made."""
_EXTENSION = __name__
"""Key of `app.extensions`; "security" is Flask-Security's."""
_SESSION = ("SESSION_", "PERMANENT_SESSION_")
_REMEMBER = "REMEMBER_COOKIE_NAME"
_NO_TARGET = Problem(400, reason="no redirect can lead there")


class FlaskSession(Session, SessionMixin):
    """`flask.session`; the key by which Flask-Login knows the user signs in and out.

    As in Flask's own, a `datetime`, `UUID` or tuple, bytes and `Markup` come back as they were.
    """

    identity_key = "_user_id"
    made_up = False
    """True for a request that nobody has sent: Flask stores it, as no response leaves."""

    @override
    def __setitem__(self, key: str, value: Any) -> None:
        before = self.user if key == self.identity_key else ""
        super().__setitem__(key, value)
        if key == self.identity_key and self.user not in {"", before}:
            # Also of whom an extension's cookie remembers: nothing else says that they are back.
            emit("authn_login_success", user=self.user)

    @override
    def log_in(self, user: str, name: str = "") -> bool:
        done = super().log_in(user, name)
        if done:
            self._tell_extension()
        return done

    @override
    def prove_again(self) -> None:
        super().prove_again()
        self._tell_extension()

    def _tell_extension(self) -> None:
        """Note for Flask-Login what its own `login_user` would: fresh, and by which browser.

        Else it takes the session for a stale one, or, where it is "strong", for a stolen one.
        """
        manager = has_request_context() and getattr(current_app, "login_manager", None)
        if identify := getattr(manager, "_session_identifier_generator", None):
            self._content |= {"_fresh": True, "_id": identify()}

    @override
    def end(self) -> None:
        super().end()
        name = has_request_context() and current_app.config.get(_REMEMBER, "remember_token")
        if name and hasattr(current_app, "login_manager") and name in request.cookies:
            # Flask-Login's cookie would log them in again: what its logout_user says of it.
            self._content["_remember"] = "clear"

    @override
    def pack(self, content: dict[str, Any]) -> dict[str, Any]:
        return {key: _TAGS.tag(value) for key, value in content.items()}

    @override
    def unpack(self, content: dict[str, Any]) -> dict[str, Any]:
        return {key: _untagged(value) for key, value in content.items()}


def _untagged(value: Any) -> Any:
    if isinstance(value, list):
        return [_untagged(each) for each in value]
    if isinstance(value, dict):
        return _TAGS.untag({key: _untagged(each) for key, each in value.items()})
    return value


class _Sessions(SessionInterface):
    """Makes `flask.session` ours. It is stored when the response leaves, not by Flask.

    But for a request that nobody has sent: one of `test_request_context`, `session_transaction`.
    """

    def __init__(self, boundary: Callable[[], Boundary]) -> None:
        self._boundary = boundary

    @override
    def open_session(self, app: Flask, request: Request) -> FlaskSession:
        environ = request.environ
        made_up = _MADE_UP in environ
        if made_up and KEY not in environ:
            boundary = self._boundary()
            environ[KEY] = Exchange(boundary, boundary.make_up(WsgiRequestHead(environ)))
        session: FlaskSession = environ[KEY].context.session
        if made_up:
            session.made_up = True
        return session

    @override
    def is_null_session(self, obj: object) -> bool:
        # What Flask calls so is not given to `save_session`.
        return not getattr(obj, "made_up", False)

    @override
    def save_session(self, app: Flask, session: SessionMixin, response: Response) -> None:
        if not self.is_null_session(session):
            boundary, context = exchange()
            for name, value in boundary.store_session(context):
                response.headers.add(name.decode(), value.decode("latin-1"))


def install(
    app: Flask,
    settings: Settings,
    accounts: Accounts,
    ready: Iterable[Callable[[], object]],
    clock: Callable[[], float],
) -> Flask:
    """Put the policy around the application; see `adapter.secure`."""
    boundary = compose(settings, accounts, ready=ready, debug=app.debug, clock=clock)
    boundary.session_class = FlaskSession
    # Where Flask logs it: the application's own handlers, as one that mails, hang there.
    boundary.crash_log = app.logger
    if app.secret_key is None:
        # For what extensions sign; the session is not theirs.
        app.secret_key, *others = [
            key.hex() for key in Keys(settings.secret_keys).derive("Flask's SECRET_KEY")
        ]
        app.config["SECRET_KEY_FALLBACKS"] = others
    app.url_map.merge_slashes = False
    app.url_map.redirect_defaults = False
    app.jinja_options = {**app.jinja_options, **JINJA_OPTIONS}
    if "jinja_env" in vars(app):
        # A filter or a global of before has made it, by the options that were there.
        for name, value in JINJA_OPTIONS.items():
            setattr(app.jinja_env, name, value)
    # Before those of the application, which may fill in what it knows better, as `csrf_field`.
    own: Callable[[], dict[str, Any]] = lambda: (  # noqa: E731 - a hook
        variables(exchange()) if has_request_context() else {}
    )
    app.template_context_processors[None].insert(0, own)
    _adopt(app, mounted=False)
    middleware = BoundaryMiddleware(
        app.wsgi_app,
        boundary,
        lambda environ: False,  # noqa: ARG005 - what `_check_access` has not seen is closed
        foresee=lambda environ: _foresee(app, environ),
        debug_page=None if settings.production else _debug_page,
        propagate=lambda: app.testing,
    )
    app.extensions[_EXTENSION] = middleware
    app.wsgi_app = middleware  # type: ignore[method-assign] # Flask's documented way
    _enter_first(app)
    use_error_page(boundary, partial(_error_page, app))
    return app


def boundary_middleware(app: Flask) -> BoundaryMiddleware:
    """Return the policy around all that the server calls, for `server.server_app`."""
    for part in _mounted(app.wsgi_app):
        if _EXTENSION not in part.extensions:
            part.extensions[_EXTENSION] = app.extensions[_EXTENSION]
            _adopt(part, mounted=True)
    inner: BoundaryMiddleware = app.extensions[_EXTENSION]
    return inner.around(app)


def _enter_first(app: Flask) -> None:
    """Enter the boundary before what is put around `wsgi_app`, whichever server calls (RTE-2)."""
    plain = type(app)
    # Made anew when something was put around `wsgi_app`.
    around: list[Any] = [None, None]

    class Bounded(plain):  # type: ignore[misc,valid-type] # of the application's own class
        @property
        def session_interface(self) -> SessionInterface:
            ours: SessionInterface = vars(self)["session_interface"]
            return ours

        @session_interface.setter
        def session_interface(self, other: SessionInterface) -> None:
            _leave_out(other)

        def test_request_context(self, *arguments: Any, **more: Any) -> Any:
            made = super().test_request_context(*arguments, **more)
            made.request.environ[_MADE_UP] = True
            return made

        def __call__(self, environ: Environ, start_response: Any) -> Iterable[bytes]:
            if KEY in environ:
                inside: Iterable[bytes] = super().__call__(environ, start_response)
                return inside
            if around[0] is not self.wsgi_app:
                around[:] = self.wsgi_app, boundary_middleware(self)
            chunks: Iterable[bytes] = around[1](environ, start_response)
            return chunks

    Bounded.__name__ = plain.__name__
    app.__class__ = Bounded


def _mounted(wsgi_app: Any) -> Iterator[Flask]:
    """Return the Flask applications that are mounted by `DispatcherMiddleware`."""
    for layer in layers(wsgi_app):
        for part in getattr(layer, "mounts", {}).values():
            if isinstance(part, Flask):
                yield part
                yield from _mounted(part.wsgi_app)


def _adopt(app: Flask, *, mounted: bool) -> None:
    """Give an application our sessions and our face, and close its views."""
    if type(app.session_interface) is not SecureCookieSessionInterface:
        _leave_out(app.session_interface)
    for key, default in Flask.default_config.items():
        # The cookie too is the policy's: who sets it here should not believe that it counts.
        if key.startswith(_SESSION) and app.config[key] != default:
            note("setting_left_out", setting=key, reason="the policy says it: policy.toml")
    app.session_interface = _Sessions(lambda: app.extensions[_EXTENSION].boundary)
    # It writes plain text, in which a client's words could forge a line (LOG-2).
    app.logger.removeHandler(default_handler)
    # First of all, before anything of the application sees a stranger's request: Flask calls these
    # before `before_request`.
    check: Callable[..., None] = lambda *_: _check_access(app, mounted=mounted)  # noqa: E731 - a hook
    app.url_value_preprocessors.setdefault(None, []).insert(0, check)
    for limit in ("MAX_FORM_MEMORY_SIZE", "MAX_FORM_PARTS"):
        if app.config[limit] == Flask.default_config[limit]:
            # The boundary has limits of its own, which a fact raises for a path.
            app.config[limit] = None
    _judge_targets(app)
    _take_over_errors(app)


def _leave_out(interface: SessionInterface) -> None:
    """Keep the policy's session: another would stay readable and alive after logout (SES-12)."""
    note(
        "session_interface_left_out",
        interface=type(interface).__qualname__,
        reason="flask.session is the policy's",
    )


def _judge_targets(app: Flask) -> None:
    """Refuse what Werkzeug cannot write as a Location, as what leads astray is refused."""
    redirect, process = app.redirect, app.process_response

    def judged(location: str, code: int = 302) -> Any:
        if has_request_context():
            # As it was given: Werkzeug would write it in another way, perhaps as a path of ours.
            boundary, context = exchange()
            boundary.judge_target(context, location)
        try:
            return redirect(location, code)
        except ValueError:
            raise _NO_TARGET from None

    def last(*arguments: Any) -> Response:
        response = process(*arguments)
        response.__class__ = _judged(type(response))  # type: ignore[arg-type] # a class has a hash
        return response

    setattr(app, "redirect", judged)  # noqa: B010 - Flask's own place for it
    setattr(app, "process_response", last)  # noqa: B010 - a method


class _Judged(Response):
    """A response, of whatever class, whose Location may be none."""

    @override
    def get_wsgi_headers(self, environ: Environ) -> Headers:
        try:
            return super().get_wsgi_headers(environ)
        except ValueError:
            raise _NO_TARGET from None


@lru_cache(maxsize=64)
def _judged(kind: type[Response]) -> type[Response]:
    """Return the class of a response with that added: what the application's own does, stays."""
    return kind if issubclass(kind, _Judged) else type(kind.__name__, (_Judged, kind), {})


def exchange() -> Exchange:
    """Return the exchange of the request at work."""
    found: Exchange = request.environ[KEY]
    return found


def _check_access(app: Flask, *, mounted: bool) -> None:
    """Ask for a login unless the view says otherwise (RTE-2)."""
    # Not the proxy, which looks for its object each time.
    asked: Request = request._get_current_object()  # type: ignore[attr-defined] # of a proxy
    boundary, context = asked.environ[KEY]
    if asked.url_rule is not None:
        public = _is_open(app.view_functions[asked.url_rule.endpoint])
    elif mounted or isinstance(asked.routing_exception, RequestRedirect):
        # Below a closed mount not even what is not there is told; a slash too few is no secret.
        public = not mounted
    else:
        # Nothing at the address, or not by this method.
        boundary.find_absent(context)
        return
    boundary.allow(context, public=public)


def _is_open(view: object) -> bool:
    return login_flag(view) is False


def login_flag(view: object) -> bool | None:
    """Return what a view, or its class, says of a login; None where it says nothing."""
    of_class = getattr(getattr(view, "view_class", None), "login_required", None)
    flag: bool | None = getattr(view, "login_required", of_class)
    return flag


def _foresee(app: Flask, environ: Environ) -> bool | None:
    """Tell whether the view is public before a body is read, None where it is not Flask's."""
    try:
        # As Flask does: a blueprint may have a host of its own.
        asked = app.request_class(environ, populate_request=False)
        adapter = app.create_url_adapter(asked)
        if adapter is None:
            return None
        endpoint, _ = adapter.match()
    except HTTPException:
        return None
    return _is_open(app.view_functions[endpoint])


def _take_over_errors(app: Flask) -> None:
    """Answer Flask's own errors, unless the application or an extension answers them itself."""
    own = app.error_handler_spec[None]
    for kind, handler in (
        (Problem, _problem),
        (StoreError, _store_error),
        (HTTPException, _http_exception),
    ):
        if not any(kind in handlers for handlers in own.values()):
            app.register_error_handler(kind, handler)
    _remember_crashes(app)
    make = app.make_response
    # What a handler hands on, or a view returns, as it is: Flask's stock page, which nobody wrote.
    setattr(  # noqa: B010 - a method
        app, "make_response", lambda rv: make(_ours(rv) if isinstance(rv, HTTPException) else rv)
    )


def _remember_crashes(app: Flask) -> None:
    """Let the boundary log what a handler of the application's answers with 500: Flask does not."""
    handle, log = app.handle_user_exception, app.log_exception

    def remember(error: Exception) -> Any:
        if not isinstance(error, HTTPException):
            exchange().context.handled = error
        return handle(error)

    def log_once(exc_info: Any) -> None:
        page = app._find_error_handler(InternalServerError(), request.blueprints)
        if page is not _http_exception:
            exchange().context.handled = None
            log(exc_info)

    setattr(app, "handle_user_exception", remember)  # noqa: B010 - a method
    setattr(app, "log_exception", log_once)  # noqa: B010 - a method


def _problem(error: Problem) -> Response:
    boundary, context = exchange()
    return _flask(boundary.error_response(context, error))


def _store_error(error: StoreError) -> Response:
    boundary, context = exchange()
    return _flask(boundary.crash(context, error))


def _http_exception(error: HTTPException) -> Any:
    """Answer an error of Flask's that the application has no handler for."""
    if isinstance(error, InternalServerError) and error.original_exception is not None:
        # Nobody has a page about a crash: it goes up to the boundary, which logs it and answers.
        raise error.original_exception
    if general := current_app.error_handler_spec[None][None].get(Exception):
        # It is for these, too: ours alone stands before it.
        return current_app.ensure_sync(general)(error)
    return _ours(error)


def _ours(error: HTTPException) -> Any:
    if error.response is not None or error.code is None or error.code < _ERROR:
        # `abort(make_response(...))`, or a class of one's own that leads on: the author's.
        return error
    response = error.get_response()
    names = ("Content-Range", "Retry-After", "WWW-Authenticate")
    headers = [(name.lower(), value) for name in names for value in response.headers.getlist(name)]
    if error.code == _WRONG_METHOD and (allow := response.headers.get("Allow")):
        headers.append(("allow", allow_header(allow.split(","))))
    # Set on the exception itself, and not by code of the framework: the author's words.
    wrote = "description" in error.__dict__ and not raised_in(error, "flask", "werkzeug")
    detail = str(error.description) if wrote and error.description else ""
    return _problem(Problem(error.code, detail=detail, headers=headers))


def _flask(response: responses.Response) -> Response:
    made = Response(response.body, response.status)
    made.headers.clear()
    made.headers.extend(
        (name.decode("latin-1"), value.decode("latin-1")) for name, value in response.headers
    )
    return made


def _debug_page(error: BaseException) -> str:
    return DebugTraceback(error).render_debugger_html(evalex=False, secret="", evalex_trusted=False)


def _error_page(app: Flask, shared: dict[str, Any]) -> str:
    # The application's own variables too, also for a request that Flask has never seen.
    with nullcontext() if has_app_context() else app.app_context():
        app.update_template_context(shared)
        return app.jinja_env.get_template(ERROR_PAGE).render(shared)
