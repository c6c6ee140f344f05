"""Passkeys against the standard's vectors: WebAuthn level 3, an ES256 key without attestation.

Its user was present and not verified, so that the library takes it and the service does not.
"""

from __future__ import annotations

import json

import pytest
import webauthn

from my_service.security import passkeys
from my_service.security.passkeys import Site, encode

SITE = Site("https://example.org")
MADE_FOR = bytes.fromhex("00c30fb78531c464d2b6771dab8d7b603c01162f2fa486bea70f283ae556e130")
USED_FOR = bytes.fromhex("39c0e7521417ba54d43e8dc95174f423dee9bf3cd804ff6d65c857c9abf4d408")
ID = bytes.fromhex("f91f391db4c9b2fde0ea70189cba3fb63f579ba6122b33ad94ff3ec330084be4")
ATTESTATION = bytes.fromhex(
    "a363666d74646e6f6e656761747453746d74a068617574684461746158a4bfabc37432958b063360d3ad6461c9c4"
    "735ae7f8edd46592a5e0f01452b2e4b559000000008446ccb9ab1db374750b2367ff6f3a1f0020f91f391db4c9b2"
    "fde0ea70189cba3fb63f579ba6122b33ad94ff3ec330084be4a5010203262001215820afefa16f97ca9b2d23eb86"
    "ccb64098d20db90856062eb249c33a9b672f26df61225820930a56b87a2fca66334b03458abf879717c12cc68ed7"
    "3290af2e2664796b9220"
)
EXTRA = (
    "clientDataJSON may be extended with additional fields in the future, such as this:"
    " BkQeDjdcTBrXBiAwJTLE5Q"
)
AUTHENTICATOR_DATA = bytes.fromhex(
    "bfabc37432958b063360d3ad6461c9c4735ae7f8edd46592a5e0f01452b2e4b51900000000"
)
SIGNATURE = bytes.fromhex(
    "3046022100f50a4e2e4409249c4a853ba361282f09841df4dd4547a13a87780218deffcd380221008480ac0f0b93"
    "538174f575bf11a1dd5d78c6e486013f937295ea13653e331e87"
)


def client_data(kind: str, challenge: bytes, **more: str) -> str:
    """Return the client data in the very bytes that were signed."""
    content = {
        "type": f"webauthn.{kind}",
        "challenge": encode(challenge),
        "origin": SITE.origin,
        "crossOrigin": False,
        **more,
    }
    return encode(json.dumps(content, separators=(",", ":")).encode())


def answer(**response: str) -> str:
    """Return what a browser sends."""
    name = encode(ID)
    return json.dumps({"id": name, "rawId": name, "type": "public-key", "response": response})


MADE = answer(
    clientDataJSON=client_data("create", MADE_FOR, extraData=EXTRA),
    attestationObject=encode(ATTESTATION),
)
USED = answer(
    clientDataJSON=client_data("get", USED_FOR),
    authenticatorData=encode(AUTHENTICATOR_DATA),
    signature=encode(SIGNATURE),
)


@pytest.mark.contract("PPL-4")
def test_the_library_takes_them_and_the_service_asks_for_more() -> None:
    made = webauthn.verify_registration_response(
        credential=MADE,
        expected_challenge=MADE_FOR,
        expected_rp_id=SITE.id,
        expected_origin=SITE.origin,
    )
    assert made.credential_id == ID
    used = webauthn.verify_authentication_response(
        credential=USED,
        expected_challenge=USED_FOR,
        expected_rp_id=SITE.id,
        expected_origin=SITE.origin,
        credential_public_key=made.credential_public_key,
        credential_current_sign_count=0,
    )
    assert used.new_sign_count == 0
    assert not used.user_verified
    assert passkeys.parse(USED) == (encode(ID), USED_FOR, "")
    assert passkeys.verify_new(MADE, MADE_FOR, SITE) is None
    key = encode(made.credential_public_key)
    assert passkeys.verify_use(USED, USED_FOR, SITE, key, 0) is None
