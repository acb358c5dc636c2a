from dataclasses import FrozenInstanceError

import pytest
from kling.nodes.runware import draft
from kling.nodes.runware.assemble import assemble
from kling.nodes.runware.errors import InputError
from kling.nodes.runware.media import Clip, Picture, Source

UUID = "236ba4b9-e789-4ff4-8fa9-7ca57ab56210"
STORED = Source(UUID)
PICTURE = Picture("ab" * 32, 4, 3, "image/png", b"png")
CLIP = Clip("walk.mp4", "cd" * 32, "video", 5.0)
VOICE = Clip("voice.wav", "ef" * 32, "audio", 8.0)


def test_a_prompt_remembers_its_node_and_stays_as_it_is():
    prompt = draft.prompt(positive_prompt=" a film\n", node="KlingPrompt (node 3)")
    assert prompt.shots == (draft.Shot(" a film\n", "", 0, "single", "KlingPrompt (node 3)"),)
    with pytest.raises(FrozenInstanceError):
        prompt.shots = ()


def test_a_chain_grows_without_changing_the_chain_before_it():
    first = draft.prompt(positive_prompt="one", shot_seconds=2)
    second = draft.prompt(positive_prompt="two", shot_seconds=3, previous=first)
    third = draft.prompt(positive_prompt="three", shot_seconds=4, previous=first)
    assert [shot.text for shot in first.shots] == ["one"]
    assert [shot.text for shot in second.shots] == ["one", "two"]
    assert third.seconds == 6


def test_equal_prompts_are_equal_values():
    assert draft.prompt(positive_prompt="one") == draft.prompt(positive_prompt="one")


def test_the_models_own_cutting_is_no_shot_of_ones_own():
    assert draft.prompt(positive_prompt="one", shot_type="intelligence").shots[0].shot_type == "intelligence"


def test_frame_images_come_from_pictures_or_from_sources():
    chosen = draft.frame_images(first_frame=PICTURE, last_frame_source=UUID.upper())
    assert (chosen.first, chosen.last) == (PICTURE, STORED)


def test_an_element_of_pictures_and_a_voice():
    chain = draft.element(
        element_id="ada",
        description="a girl",
        tags="character, HOTTEST,character,",
        frontal_image=PICTURE,
        images=(PICTURE, PICTURE),
        voice=VOICE,
    )
    [made] = chain.elements
    assert made.frontal_image is PICTURE
    assert made.images == (PICTURE, PICTURE)
    assert made.voices == (VOICE,)
    assert made.tags == ("Character", "Hottest")


def test_an_element_of_a_video():
    [made] = draft.element(element_id="rex", video=CLIP).elements
    assert made.videos == (CLIP,)
    assert made.description is None


def test_an_element_of_sources():
    [made] = draft.element(
        element_id="ada",
        frontal_image_source=UUID,
        images_sources=f"{UUID}\nhttps://a.example/b.png",
        voice_source=UUID,
    ).elements
    assert made.frontal_image == STORED
    assert made.images == (STORED, Source("https://a.example/b.png"))
    assert made.voices == (STORED,)


def test_an_element_with_nothing_but_its_id_is_one_the_service_has():
    [made] = draft.element(element_id="ada").elements
    assert made.model_dump(exclude_defaults=True) == {"id": "ada"}


def test_an_element_has_at_most_three_pictures_beside_the_frontal_one():
    with pytest.raises(InputError, match="these are 4 pictures"):
        draft.element(element_id="ada", frontal_image=PICTURE, images=(PICTURE,) * 4)


def test_elements_are_numbered_in_the_order_of_the_chain():
    chain = draft.element(element_id="ada", node="KlingElement (node 1)")
    chain = draft.element(element_id="rex", previous=chain, node="KlingElement (node 2)")
    assert chain.ids == ("ada", "rex")
    assert chain.nodes == ("KlingElement (node 1)", "KlingElement (node 2)")


def test_settings_without_a_change_are_the_widgets_defaults():
    settings = draft.settings()
    assert settings.profile.model == "klingai:kling-video@3-standard"
    assert (settings.duration, settings.take, settings.max_cost, settings.timeout_minutes) == (5, 1, 0.0, 45)
    assert (settings.ttl, settings.webhook_url, settings.upload_endpoint) == (None, None, None)


def test_where_results_are_delivered_is_never_shown():
    settings = draft.settings(webhook_url="https://a.example/?secret", upload_endpoint="https://b.example/?secret")
    assert settings.webhook_url == "https://a.example/?secret"
    assert "secret" not in repr(settings)


def test_a_url_is_read_from_the_environment_variable_it_names(monkeypatch):
    monkeypatch.setenv("KLING_HOOK_2", " https://a.example/?secret\n")
    assert draft.settings(webhook_url="$KLING_HOOK_2").webhook_url == "https://a.example/?secret"


@pytest.mark.parametrize("value", ["http://127.0.0.1:8000/a", "http://localhost/a", "http://[::1]/a"])
def test_a_loopback_address_needs_no_https(value):
    assert draft.settings(upload_endpoint=value).upload_endpoint == value


@pytest.mark.parametrize("name", ["$RUNWARE_API_KEY", "$KLINGX", "$kling_hook", "$KLING_A B", "$", "$KLING_"])
def test_no_other_environment_variable_is_read(monkeypatch, name):
    monkeypatch.setenv("RUNWARE_API_KEY", "https://secret.example")
    with pytest.raises(InputError, match="begin with KLING_") as caught:
        draft.settings(webhook_url=name)
    assert "secret" not in str(caught.value)


def test_a_bad_url_in_an_environment_variable_is_refused_without_showing_it(monkeypatch):
    monkeypatch.setenv("KLING_HOOK", "ftp://secret.example/?token")
    with pytest.raises(InputError, match="not an https URL") as caught:
        draft.settings(webhook_url="$KLING_HOOK")
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("value", ["a text", 5, {}, [], True, (), 0, ""], ids=repr)
def test_what_a_program_writes_in_the_place_of_a_link_is_refused_by_name(value):
    with pytest.raises(InputError, match=r"^KlingPrompt, previous is .*only what KlingPrompt gives"):
        draft.prompt(positive_prompt="a film", shot_seconds=3, previous=value)
    with pytest.raises(InputError, match=r"^KlingElement, previous is .*only what KlingElement gives"):
        draft.element(element_id="ada", previous=value)
    good = draft.prompt(positive_prompt="a film")
    with pytest.raises(InputError, match=r"^KlingGenerate, prompt is .*only what KlingPrompt gives"):
        assemble(value, draft.settings())
    with pytest.raises(InputError, match=r"^KlingGenerate, frame_images is .*only what KlingFrameImages gives"):
        assemble(good, draft.settings(), frame_images=value)
    with pytest.raises(InputError, match=r"^KlingGenerate, elements is .*only what KlingElement gives"):
        assemble(good, draft.settings(), elements=value)
