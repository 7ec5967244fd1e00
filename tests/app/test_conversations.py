from __future__ import annotations

import asyncio

from tests.app.conftest import App


async def test_a_conversation_from_its_first_question_to_its_end(app: App) -> None:
    asked = (await app.ask("What is a queue?")).json()
    path = f"/api/conversations/{asked['conversation_id']}"

    listed = (await app.client.get("/api/conversations")).json()["items"]
    assert [item["id"] for item in listed] == [asked["conversation_id"]]
    changed = await app.client.patch(path, json={"name": " Queues ", "pinned": True})
    assert (changed.json()["name"], changed.json()["pinned"]) == ("Queues", True)
    page = (await app.client.get(f"{path}/messages")).json()
    assert [(m["query"], m["status"]) for m in page["items"]] == [("What is a queue?", "complete")]
    gone = await app.client.delete(path)
    assert (gone.status_code, gone.content) == (204, b"")
    assert (await app.client.get(path)).status_code == 404
    assert (await app.client.delete(path)).status_code == 404


async def test_a_new_one_is_made_at_an_address(app: App) -> None:
    made = await app.client.post("/api/conversations", json={"name": "Plans"})
    assert made.status_code == 201
    there = await app.client.get(made.headers["location"])
    assert there.json() == made.json()


async def test_the_list_comes_in_pages(app: App) -> None:
    for number in range(5):
        await app.client.post("/api/conversations", json={"name": f"n{number}"})
    seen: list[str] = []
    cursor = ""
    while True:
        params = {"limit": "2"} | ({"cursor": cursor} if cursor else {})
        page = (await app.client.get("/api/conversations", params=params)).json()
        seen += [item["name"] for item in page["items"]]
        cursor = page["next_cursor"] or ""
        if not cursor:
            break
    assert sorted(seen) == ["n0", "n1", "n2", "n3", "n4"]


async def test_a_search_finds_what_was_answered(app: App) -> None:
    asked = (await app.ask("Greet me")).json()
    await app.client.post("/api/conversations", json={"name": "Other"})
    found = (await app.client.get("/api/conversations", params={"q": "你好"})).json()["items"]
    assert [item["id"] for item in found] == [asked["conversation_id"]]
    nothing = (await app.client.get("/api/conversations", params={"q": "%"})).json()["items"]
    assert nothing == []


async def test_one_that_is_being_answered_can_be_deleted(app: App) -> None:
    app.gateway.go_on.clear()
    asking = asyncio.create_task(app.client.post("/api/chat", json={"query": "Hi"}))
    while not (items := (await app.client.get("/api/conversations")).json()["items"]):
        pass
    gone = await app.client.delete(f"/api/conversations/{items[0]['id']}")
    app.gateway.go_on.set()
    assert gone.status_code == 204
    assert b"event: " in (await asking).content


async def test_an_export_is_a_file_with_all_that_was_said(app: App) -> None:
    asked = (await app.ask("What is <b>?", conversation_name='a/b "c"\u202e 你好')).json()
    path = f"/api/conversations/{asked['conversation_id']}/export"
    markdown = await app.client.get(path)
    assert markdown.headers["content-type"] == "text/markdown; charset=utf-8"
    assert "What is <b>?" in markdown.text
    assert "Hello 你好 world" in markdown.text
    disposition = markdown.headers["content-disposition"]
    assert disposition.startswith("attachment; ")
    assert "%E4%BD%A0%E5%A5%BD.md" in disposition
    assert "/" not in disposition
    assert "%E2%80%AE" not in disposition
    document = (await app.client.get(path, params={"format": "json"})).json()
    assert [message["query"] for message in document["messages"]] == ["What is <b>?"]
    assert document["conversation"]["id"] == asked["conversation_id"]


async def test_markdown_has_the_branch_the_reader_is_at_and_json_the_tree(app: App) -> None:
    first = (await app.ask("one")).json()
    id = first["conversation_id"]
    await app.ask("two", conversation_id=id)
    await app.ask("two again", conversation_id=id, parent_id=first["message_id"])
    path = f"/api/conversations/{id}/export"
    text = (await app.client.get(path)).text
    assert "two again" in text
    assert "\n\ntwo\n\n" not in text
    document = (await app.client.get(path, params={"format": "json"})).json()
    assert [message["query"] for message in document["messages"]] == ["one", "two", "two again"]
