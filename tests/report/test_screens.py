"""Pages in a browser: nothing cut, nothing overlapping, light and dark, no errors."""

import json
import re
import shutil
import subprocess
from urllib.parse import unquote

import pytest

from kcomponents.report import compare, to_html
from tests.report import records

NAMES = "chromium", "chromium-browser", "google-chrome", "chrome"
BROWSER = next(filter(None, map(shutil.which, NAMES)), None)
FLAGS = "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"
LIGHT, DARK = 1, 0
SIZES = {1200: 2600, 390: 4200}
MEASURE = """<script>
const rect = e => e.getBoundingClientRect(), found = {cut: [], over: []};
for (const e of document.querySelectorAll("main *")) {
  const r = rect(e), card = rect(e.closest(".card") || document.body);
  if (r.width && (r.left < card.left - 1 || r.right > card.right + 1))
    found.cut.push(e.tagName + " " + e.textContent.trim().slice(0, 60));
}
for (const plot of document.querySelectorAll(".plot")) {
  const all = [...plot.querySelectorAll("text")].map(e => [e.textContent, rect(e)]);
  for (const [i, [a, p]] of all.entries()) for (const [b, q] of all.slice(i + 1))
    if (Math.min(p.right, q.right) - Math.max(p.left, q.left) > 1 &&
        Math.min(p.bottom, q.bottom) - Math.max(p.top, q.top) > p.height / 3)
      found.over.push(a + " / " + b);
}
found.wide = document.documentElement.scrollWidth;
found.window = window.innerWidth;
parent.postMessage(JSON.stringify(found), "*");
</script></body>"""
# The window of a browser has a least width; a frame in it has none.
FRAME = """<script>
onmessage = e => document.body.innerHTML = "<pre>" + encodeURI(e.data) + "</pre>";
</script><body><iframe width="{width}" height="4000" style="border: 0"
src="{src}">"""

pytestmark = [
    pytest.mark.skipif(BROWSER is None, reason="no Chromium is installed"),
    pytest.mark.any_backend,
]


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pages")
    for name in ("sick", "healthy", "monstrous"):
        to_html(*getattr(records, name)(), folder / f"{name}.html")
    runs = [records.sick(), records.healthy(), records.monstrous()]
    compare(runs, ["deep", "small", "m" * 60], folder / "compare.html")
    return folder


def browse(path, width, *flags):
    size = f"--window-size={width},{SIZES[width]}"
    logs = "--enable-logging=stderr", f"--user-data-dir={path.parent / 'profile'}"
    command = [BROWSER, *FLAGS, *logs, size, *flags, path.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done


def console(done):
    return [line for line in done.stderr.splitlines() if "CONSOLE" in line]


@pytest.mark.parametrize("scheme", [LIGHT, DARK], ids=["light", "dark"])
@pytest.mark.parametrize("width", SIZES)
@pytest.mark.parametrize("name", ["sick", "healthy"])
def test_a_page_is_shown_in_light_and_dark_without_errors(pages, name, width, scheme):
    from PIL import Image

    shot = pages / f"{name}-{width}-{scheme}.png"
    flag = f"--blink-settings=preferredColorScheme={scheme}"
    done = browse(pages / f"{name}.html", width, flag, f"--screenshot={shot}")
    assert not console(done)
    with Image.open(shot) as image:
        assert image.size[0] == width
        small = image.convert("RGB")
    brightness = sum(small.getpixel((2, 2))) / 3
    assert brightness > 200 if scheme == LIGHT else brightness < 60
    assert len(small.getcolors(1 << 24)) > 200


def measured(page, folder, width):
    """Return what is cut or overlaps in a page, and how wide it is."""
    page = re.sub(r"<meta http-equiv[^>]*>", "", page)
    copy, frame = folder / "measured.html", folder / "frame.html"
    copy.write_text(page.replace("</body>", MEASURE), "utf-8")
    framed = FRAME.replace("{width}", str(width)).replace("{src}", copy.as_uri())
    frame.write_text(framed)
    wait = "--virtual-time-budget=10000"
    dumped = browse(frame, 1200, "--dump-dom", wait).stdout
    return json.loads(unquote(re.search(r"<pre>(%7B.*?)</pre>", dumped)[1]))


@pytest.mark.parametrize("width", SIZES)
@pytest.mark.parametrize("name", ["sick", "healthy", "monstrous", "compare"])
def test_nothing_is_cut_and_nothing_overlaps(pages, name, width):
    page = (pages / f"{name}.html").read_text("utf-8")
    found = measured(page, pages, width)
    assert found == {"cut": [], "over": [], "wide": width, "window": width}


def test_what_is_cut_or_overlaps_would_be_noticed(pages):
    words = '<text x="5" y="9">some</text><text x="8" y="9">words</text>'
    plot = f'<svg class="plot">{words}</svg>'
    wide = '<div class="card" style="width: 99px"><p style="width: 999px">p</p></div>'
    page = f"<!DOCTYPE html><body><main>{plot}{wide}</main></body>"
    found = measured(page, pages, 390)
    assert found["cut"] == ["P p"] and found["over"] == ["some / words"]
    assert found["wide"] > found["window"] == 390


def test_an_error_on_a_page_would_be_noticed(pages):
    page = pages / "wrong.html"
    page.write_text("<script>none.such</script>")
    assert console(browse(page, 390, "--dump-dom"))


def test_a_page_can_be_printed(pages):
    path = pages / "sick.pdf"
    browse(pages / "sick.html", 1200, f"--print-to-pdf={path}")
    content = path.read_bytes()
    assert content.startswith(b"%PDF") and 2 <= content.count(b"/Type /Page\n") <= 8
