from __future__ import annotations

from pathlib import Path

from server.core.reference import SECTIONS, reference


def test_the_documentation_lists_the_settings_as_they_are() -> None:
    assert Path("docs/configuration.md").read_text("utf-8").endswith(reference())


def test_every_setting_is_explained() -> None:
    bare = [
        f"{title}.{name}"
        for title, kind in SECTIONS
        for name, field in kind.model_fields.items()
        if not field.description
    ]
    assert bare == []
