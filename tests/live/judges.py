"""Programs that nobody here wrote, asked about an edge; tests and `make grade` read their words."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

from tests.live.nginx import Edge
from tests.live.service import HOST
from tests.needs import NODE_JUDGES, needs, needs_module
from tests.projects import clean_environment

HERE = Path(__file__).parent / "judging"
SECONDS = 300
OBSERVATORY, CSP = NODE_JUDGES

_SUITES = [
    f"TLS_ECDHE_{key}_WITH_{suite}"
    for key in ("ECDSA", "RSA")
    for suite in ("AES_128_GCM_SHA256", "AES_256_GCM_SHA384", "CHACHA20_POLY1305_SHA256")
]
_BOTH = {
    "certificate_curves": ["prime256v1", "secp384r1"],
    "ciphersuites": [
        "TLS_AES_128_GCM_SHA256",
        "TLS_AES_256_GCM_SHA384",
        "TLS_CHACHA20_POLY1305_SHA256",
    ],
    "ecdh_param_size": 256,
    "dh_param_size": None,
    "hsts_min_age": 63072000,
    "ocsp_staple": False,
    "recommended_certificate_lifespan": 90,
    "server_preferred_order": False,
    "tls_curves": ["X25519", "prime256v1", "secp384r1"],
    "oldest_clients": [],
}
_ECDSA_SIGNATURES = ["ecdsa-with-SHA256", "ecdsa-with-SHA384", "ecdsa-with-SHA512"]
# In the form of the 5.7 that sslyze brings, which still has DHE.
GUIDELINE_6 = {
    "intermediate": {
        **_BOTH,
        "certificate_signatures": ["sha256WithRSAEncryption", *_ECDSA_SIGNATURES],
        "certificate_types": ["ecdsa", "rsa"],
        "ciphers": {"caddy": [], "go": [], "iana": _SUITES, "openssl": []},
        "maximum_certificate_lifespan": 366,
        "rsa_key_size": 2048,
        "tls_versions": ["TLSv1.2", "TLSv1.3"],
    },
    "modern": {
        **_BOTH,
        "certificate_signatures": _ECDSA_SIGNATURES,
        "certificate_types": ["ecdsa"],
        "ciphers": {"caddy": [], "go": [], "iana": [], "openssl": []},
        "maximum_certificate_lifespan": 90,
        "rsa_key_size": None,
        "tls_versions": ["TLSv1.3"],
    },
}
TESTSSL_ACCEPTED = {
    # The guideline leaves the order to the client: every suite is strong, and a phone without AES
    # instructions is faster with ChaCha20.
    "cipher_order",
}


def _run(*command: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        env=clean_environment() | variables,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=SECONDS,
    )


def sslyze(edge: Edge, profile: str, *, guideline: str) -> str:
    """Return what sslyze says about a profile of guideline "5.7" or "6.0": OK, or what is wrong."""
    options = ["--mozilla_config", profile]
    if guideline == "6.0":
        file = edge.folder / "guideline.json"
        file.write_text(json.dumps(GUIDELINE_6[profile]))
        options = ["--custom_tls_config", str(file)]
    certificate = ["--sni", HOST, "--certinfo_ca_file", str(edge.authority.file)]
    done = _run(needs("sslyze"), *options, *certificate, f"127.0.0.1:{edge.https}")
    _, _, verdict = done.stdout.partition("COMPLIANCE AGAINST TLS CONFIGURATION")
    assert verdict, done.stdout + done.stderr
    lines = [line.strip(" *") for line in verdict.splitlines() if f":{edge.https}:" in line]
    assert lines, verdict
    ok = done.returncode == 0 and "OK - Compliant" in lines[0]
    return "OK" if ok else verdict.strip()


def testssl(edge: Edge, *options: str) -> dict[str, str]:
    """Return testssl's findings above LOW that the guideline does not ask for, by name."""
    file = edge.folder / "testssl.json"
    file.unlink(missing_ok=True)
    quiet = ("--quiet", "--color", "0", "--warnings", "batch", "--nodns", "none")
    where = ("--ip", "127.0.0.1", "--add-ca", str(edge.authority.file), "--jsonfile", str(file))
    done = _run(needs("testssl"), *quiet, *where, *options, edge.origin)
    assert file.exists(), done.stdout + done.stderr
    findings = json.loads(file.read_text())
    assert len(findings) > 10, done.stdout
    return {
        each["id"]: f"{each['severity']}: {each['finding']}"
        for each in findings
        if each["severity"] in {"MEDIUM", "HIGH", "CRITICAL"} and each["id"] not in TESTSSL_ACCEPTED
    }


def nmap(edge: Edge) -> str:
    """Return the grade of the weakest cipher suite."""
    script = ("--script", "ssl-enum-ciphers", "--script-args", f"tls.servername={HOST}")
    # Plain connections, so that it needs no rights.
    done = _run(needs("nmap"), "-sT", "-Pn", "-p", str(edge.https), *script, "127.0.0.1")
    found = re.search(r"least strength: (\w+)", done.stdout)
    assert found, done.stdout + done.stderr
    return found[1]


def _node(script: str, *arguments: str, **variables: str) -> Any:
    done = _run(needs("node"), str(HERE / script), *arguments, **variables)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def observatory(edge: Edge) -> dict[str, Any]:
    """Return what MDN's HTTP Observatory says: algorithm, score, grade, failed tests."""
    modules = needs_module(OBSERVATORY)
    # The list of preloaded names is a download, and the name of a test is not on it.
    listed = modules / OBSERVATORY / "conf" / "hsts-preload.json"
    if not listed.exists():
        listed.write_text("{}")
    arguments = (str(modules), HOST, str(edge.http), str(edge.https))
    result: dict[str, Any] = _node(
        "observatory.mjs", *arguments, NODE_EXTRA_CA_CERTS=str(edge.authority.file)
    )
    return result


def csp(policy: str) -> list[list[str]]:
    """Return the findings of Google's CSP evaluator: severity and text."""
    findings: list[list[str]] = _node("csp.mjs", str(needs_module(CSP)), policy)
    return findings


def whatweb(edge: Edge) -> dict[str, Any]:
    """Return what whatweb recognises."""
    file = edge.folder / "whatweb.json"
    here = f"-r{HERE / 'here.rb'}"
    log = f"--log-json={file}"
    done = _run(needs("whatweb"), "-q", "-a3", log, f"{edge.origin}/", RUBYOPT=here, HERE=HOST)
    results = json.loads(file.read_text()) if file.exists() else []
    assert results, done.stdout + done.stderr
    plugins: dict[str, Any] = results[0]["plugins"]
    return plugins


def gixy(edge: Edge) -> dict[str, str]:
    """Return the findings of gixy-ng on the configuration, by name."""
    done = _run(needs("gixy"), "--format", "json", str(edge.file))
    return {each["plugin"]: each["severity"] for each in json.loads(done.stdout)}
