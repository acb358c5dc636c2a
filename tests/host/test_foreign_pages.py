"""The pack's routes on the real ComfyUI, asked by pages that are not its own."""

import pytest

from host.films import text_to_video

ROUTES = ("/kling/prices", "/kling/purchases", "/kling/purchases?rehearsals=1")
FOREIGN = {
    "another site": {"Origin": "https://evil.example"},
    "another port of this machine": {"Origin": "http://127.0.0.1:9"},
    "a page without an origin": {"Origin": "null"},
    "a link or a picture": {"Sec-Fetch-Site": "cross-site"},
    "a name pointed at this machine": {"Host": "evil.example", "Origin": "http://evil.example"},
}
WRITING = ("POST", "PUT", "PATCH", "DELETE")


def ask(comfy, route, *, method="GET", **headers):
    return comfy._http.request(method, comfy.url + route, headers=headers)


@pytest.mark.parametrize("place", ["", "/api"])
@pytest.mark.parametrize("route", ROUTES)
def test_a_route_answers_the_page_and_nobody_else(comfy, key, place, route):
    own = ask(comfy, place + route, **{"Origin": comfy.url, "Sec-Fetch-Site": "same-origin"})
    assert own.status_code == 200
    assert own.headers["Cache-Control"] == "no-store"
    for who, headers in FOREIGN.items():
        answer = ask(comfy, place + route, **headers)
        assert answer.status_code == 403, who
        assert "Access-Control-Allow-Origin" not in answer.headers, who
        assert not {"models", "purchases"} & set(answer.text.split('"')), who


@pytest.mark.parametrize("route", ROUTES)
def test_no_route_takes_what_writes(comfy, route):
    assert {ask(comfy, route, method=method).status_code for method in WRITING} == {405}


def test_an_answer_holds_no_key_and_no_address_of_a_film(comfy, service, key, take):
    graph, _ = text_to_video(comfy.object_info, take=take)
    assert comfy.run(graph).status == "success"
    text = ask(comfy, "/kling/purchases").text
    assert f'"take": {take}' in text
    assert key not in text
    assert "://" not in text
    assert str(comfy.base) not in text
