"""The page in a headless browser: views, wrong input, keys, phones, and models that change."""

from __future__ import annotations

import shutil

import pytest

pytest.importorskip("starlette")
pytest.importorskip("uvicorn")
pytest.importorskip("playwright")
pytest.importorskip("torch")

import conec
from conec.explore import WordExplorer
from simec.explore import explorer_of
from tests.explorer import simec_models
from tests.explorer.browser import CHROMIUM, chromium, served, show
from tests.explorer.models import LONG, SCRIPT, word_model

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed"),
    pytest.mark.slow,  # starting the browser takes a second
    pytest.mark.xdist_group("browser"),
]

WORD_VIEWS = ["neighbors", "senses", "sentence", "why", "analogies", "map", "compare"]
ANALOGY = "first=red&second=dark&third=cat"


@pytest.fixture(scope="module")
def browser():
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("explored")


@pytest.fixture(scope="module")
def words(folder):
    paths = word_model(folder / "first.model"), word_model(folder / "second.model", 2, senses=False)
    with served(WordExplorer(paths, conec.load)) as address:
        yield address


@pytest.fixture
def page(browser):
    """A page whose errors, and requests to other hosts, fail the test."""
    context = browser.new_context(permissions=["clipboard-read", "clipboard-write"])
    page = context.new_page()
    page.set_default_timeout(30_000)
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("dialog", lambda dialog: problems.append(dialog.message) or dialog.dismiss())
    page.on(
        "console",
        lambda message: (
            problems.append(message.text)
            if message.type == "error" and "status of 4" not in message.text
            else None
        ),
    )
    page.on(
        "request",
        lambda request: (
            None
            if request.url.startswith(("http://127.0.0.1:", "about:", "data:"))
            else problems.append(request.url)
        ),
    )
    yield page
    context.close()
    assert problems == []


def ranked(page) -> list[str]:
    return page.locator("main .card .ranked a").all_inner_texts()


def has_no_overflow(page) -> bool:
    return page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_each_view_of_words_answers_and_copies_code(page, words):
    for view in WORD_VIEWS:
        show(page, words, f"{view}?{ANALOGY}" if view == "analogies" else view)
        assert page.locator("nav [aria-current=page]").inner_text() == (
            {"sentence": "In a sentence", "why": "Why similar"}.get(view) or view.capitalize()
        )
        assert page.locator("main h1").count() == 1
        page.get_by_role("button", name="Copy as Python").click()
        page.get_by_text("Copied", exact=True).wait_for()
        copied = page.evaluate("navigator.clipboard.readText()")
        assert copied == page.locator(".python code").inner_text()
        assert copied.startswith("import ")
        compile(copied, "copied", "exec")
        page.set_viewport_size({"width": 360, "height": 740})
        assert has_no_overflow(page), view
        page.set_viewport_size({"width": 1200, "height": 900})


@pytest.mark.parametrize(
    ("kind", "views"),
    [
        ("encoder", ["neighbors", "why", "map"]),
        ("recommender", ["recommend", "similar", "map"]),
        ("links", ["links", "neighbors", "map"]),
    ],
)
def test_each_view_of_other_models_answers(page, folder, kind, views):
    data = simec_models.table(folder / "points.csv") if kind == "encoder" else None
    make = getattr(simec_models, kind)
    path = make(folder / kind, data) if data else make(folder / kind)
    page.set_viewport_size({"width": 360, "height": 740})
    with served(explorer_of(path, data)) as address:
        for view in views:
            show(page, address, view)
            assert page.locator("main .problem").count() == 0
            assert "explore" in page.title().lower()
            page.get_by_role("button", name="Copy as Python").first.click()
            page.get_by_text("Copied", exact=True).wait_for()
            copied = page.evaluate("navigator.clipboard.readText()")
            assert copied == page.locator(".python code").first.inner_text()
            assert has_no_overflow(page), view
        if kind == "recommender":
            show(page, address, "recommend?user=usr1")
            page.locator(".suggestions a").first.click()
            page.get_by_role("heading", name="Recommended to user").wait_for()
            page.get_by_role("heading", name="Similar items that the user rated").wait_for()
        elif kind == "links":
            page.goto(f"{address}#links?entity=paris&relation=capital_of")
            assert "known link" in page.locator("li.marked", has_text="france").inner_text()


def test_unknown_words_and_wrong_texts_are_explained(page, words):
    show(page, words, "neighbors?word=hors")
    assert "does not know the word 'hors'" in page.get_by_role("alert").inner_text()
    page.locator(".suggestions a", has_text="horse").click()
    page.get_by_role("heading", name="horse").wait_for()
    page.go_back()
    page.get_by_role("alert").wait_for()
    show(page, words, "sentence")
    field = page.get_by_role("textbox", name="Sentence")
    field.fill("")
    page.get_by_text("Type a sentence").wait_for()
    field.fill("red " * 100)
    page.get_by_role("alert").get_by_text("has 100 words, and at most 60").wait_for()
    field.fill("a wild zorb")
    page.locator(".tokens .unknown", has_text="zorb").get_by_text("new word").wait_for()


def test_a_wrong_token_shows_no_page(page, words):
    assert page.goto(words.replace("/token/", "/wrong/")).status == 403
    assert page.locator("#page").count() == 0


def test_the_slider_changes_the_neighbors_while_it_moves(page, words):
    show(page, words, "sentence?text=the+mouse+paint+is+wild&a=1")
    slider = page.get_by_role("slider")
    before = page.locator(".tokens li").nth(1).inner_text()
    slider.focus()
    for _ in range(20):
        page.keyboard.press("ArrowLeft")
    page.wait_for_function(
        "before => document.querySelectorAll('.tokens > li')[1].innerText !== before", arg=before
    )
    assert slider.get_attribute("aria-valuetext").startswith("0.00")
    page.wait_for_function("location.hash.includes('a=0')")


def test_words_are_text(page, words):
    for view in ("neighbors?word=wild", f"sentence?text={SCRIPT} wild", f"neighbors?word={SCRIPT}",
                 f"neighbors?word={SCRIPT}x", f"why?text=wild {SCRIPT} fur&position=1&other=dog",
                 "map?name=wild"):  # fmt: skip
        show(page, words, view)
        assert page.locator("img[src=x]").count() == 0
    show(page, words, "neighbors?word=wild")
    assert SCRIPT in ranked(page)
    assert LONG in ranked(page)


def test_everything_can_be_done_with_the_keyboard(page, words):
    show(page, words, "neighbors?word=red")
    page.keyboard.press("Shift+Tab")  # from the search box to the last view
    assert page.evaluate("document.activeElement.innerText") == "Compare"
    page.keyboard.press("Tab")
    box = page.get_by_role("combobox", name="Word")
    assert box.evaluate("element => element === document.activeElement")
    page.keyboard.type("c")
    page.locator("[role=option]").nth(1).wait_for()
    assert box.get_attribute("aria-expanded") == "true"
    page.keyboard.press("ArrowDown")
    active = box.get_attribute("aria-activedescendant")
    chosen = page.locator(f"[id='{active}']").inner_text()
    page.keyboard.press("Enter")
    page.get_by_role("heading", name=chosen).wait_for()
    page.keyboard.press("ArrowDown")
    page.locator("[role=option]").first.wait_for()
    page.keyboard.press("Escape")
    assert box.get_attribute("aria-expanded") == "false"
    page.keyboard.press("Tab")
    page.keyboard.press("ArrowRight")  # to the other vectors
    page.wait_for_function("location.hash.includes('word2vec')")
    page.keyboard.press("Tab")
    outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert (page.evaluate("document.activeElement.tagName"), outline) == ("A", "solid")
    neighbor = page.evaluate("document.activeElement.innerText")
    page.keyboard.press("Enter")
    page.get_by_role("heading", name=neighbor).wait_for()
    show(page, words, "map")
    page.get_by_role("application").focus()
    for key in ("ArrowLeft", "+", "-", "0", "Enter"):
        page.keyboard.press(key)
    page.get_by_role("heading", name="17 selected").wait_for()


def test_a_point_of_the_map_is_found_and_an_area_selected(page, words):
    show(page, words, "map")
    find = page.get_by_role("combobox", name="Find")
    find.fill("horse")
    find.press("Enter")
    page.get_by_role("heading", name="1 selected").wait_for()
    assert page.locator(".list a").all_inner_texts() == ["horse"]
    page.get_by_role("button", name="All").click()
    page.get_by_role("button", name="Select an area").click()
    box = page.get_by_role("application").bounding_box()
    x, y, width, height = (box[key] for key in ("x", "y", "width", "height"))
    page.mouse.move(x + 4, y + 4)
    page.mouse.down()
    for dx, dy in ((4, height - 4), (width - 4, height - 4), (width - 4, 4)):
        page.mouse.move(x + dx, y + dy, steps=3)
    page.mouse.up()
    page.get_by_role("heading", name="17 selected").wait_for()
    page.get_by_role("radio", name="t-SNE").check()
    page.locator(".python", has_text="TSNE").wait_for()


def test_a_model_that_changes_on_disk_is_noticed(page, folder, words):
    shutil.copytree(folder / "first.model", folder / "changing.model")
    with served(WordExplorer([folder / "changing.model"], conec.load)) as address:
        show(page, address, "neighbors?word=red")
        before = ranked(page)
        conec.load(folder / "second.model").save(folder / "changing.model")
        page.get_by_text("The model was saved again").wait_for()  # without a click
        page.wait_for_function(
            "before => [...document.querySelectorAll('main .ranked a')].map(a => a.innerText)"
            ".join() !== before.join()",
            arg=before,
        )
        assert page.get_by_role("link", name="Senses").count() == 0  # the new version has none
        (folder / "changing.model" / "vocabulary.json").write_text("{}")
        alert = page.get_by_role("alert")
        alert.wait_for()
        assert "cannot be loaded" in alert.inner_text()
        assert ranked(page)


def test_colors_can_be_changed_and_are_kept(page, words):
    page.emulate_media(color_scheme="light")
    show(page, words, "neighbors")
    color = "getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(color)
    page.get_by_role("button", name="Colors: auto").click()
    page.get_by_role("button", name="Colors: light").click()
    page.locator("html[data-theme=dark]").wait_for()
    assert page.evaluate(color) != light
    dark = page.evaluate(color)
    page.reload()
    page.locator("html[data-theme=dark]").wait_for()
    assert page.evaluate(color) == dark
    page.get_by_role("button", name="Colors: dark").click()
    page.locator("html[data-theme=light]").wait_for()  # as the system is
    page.emulate_media(color_scheme="dark")
    page.locator("html[data-theme=dark]").wait_for()
    assert page.evaluate(color) == dark
