"""Texts of mails as editors save them (PPL-2)."""

from __future__ import annotations

from pathlib import Path

import pytest

letters = pytest.importorskip("my_service.security.mail.letters", reason="of services with mail")


@pytest.mark.contract("PPL-2")
def test_a_text_may_begin_with_a_mark(tmp_path: Path) -> None:
    (tmp_path / "reset.txt").write_text("Subject: Hello $name\n\nAt $service.\n", "utf-8-sig")
    sender = letters.read_sender("Service <service@example.com>")
    found = letters.Letters(tmp_path, sender, "Acme", ["reset"])
    mail = found.write(letters.Letter("reset", "ada@example.com", {"name": "Ada"}), "1", 0)
    assert mail["Subject"] == "Hello Ada"
    assert mail.get_content() == "At Acme.\n"
