"""Opens HTML reports in a real headless Chromium and looks at what became of them.

	python3 browser.py CHROMIUM FILE.html FILE.json...

Each page is that of the JSON report beside it. Chromium is driven through its debugging pipe. Nothing may
run, be fetched or be wider than the window, and the page shows what the JSON says, as text.
SCREENSHOTS names a directory to keep pictures in.
"""
import base64
import json
import os
import pathlib
import select
import subprocess
import sys
import tempfile

from formats import ELEMENTS, as_html

WIDTHS = {1280: False, 390: True}  # in pixels; as a phone?
PATIENCE = 120  # seconds that Chromium may be silent

# What the page is, as the browser made it.
PAGE = r"""
(() => {
  const names = {}, attributes = {};
  for (const e of document.querySelectorAll('*')) {
    names[e.localName] = true;
    for (const a of e.attributes) attributes[a.name] = true;
  }
  const cells = heading => {
    const section = [...document.querySelectorAll('section')].find(s => s.querySelector('h2').textContent === heading);
    return [...section.querySelectorAll('tbody tr')].map(r => [...r.querySelectorAll('td')].map(c => c.textContent));
  };
  const inside = [];
  for (const e of document.querySelectorAll('td, th, p, pre, h1, h2, figcaption')) {
    if (e.closest('.wide')) continue;
    const box = e.getBoundingClientRect();
    if (box.right > document.documentElement.clientWidth + 1 || box.left < -1) inside.push(e.outerHTML.slice(0, 200));
  }
  return JSON.stringify({
    names: Object.keys(names).sort(), attributes: Object.keys(attributes).sort(),
    title: document.title, marked: String(window.hostile), mode: document.compatMode,
    scroll: document.documentElement.scrollWidth, width: document.documentElement.clientWidth, outside: inside,
    evidence: cells('Evidence'), summary: cells('Summary'),
    statements: [...document.querySelectorAll('pre')].map(p => p.textContent),
    images: document.images.length, links: document.links.length, forms: document.forms.length,
    sheets: document.styleSheets.length, svg: document.querySelectorAll('svg').length,
    tallest: Math.max(0, ...[...document.querySelectorAll('.long')].map(e => e.getBoundingClientRect().height)),
    named: [...document.querySelectorAll('th')].every(t => ['col', 'row'].includes(t.scope)),
  });
})()
"""

class Browser:
    def __init__(self, program):
        to_read, self.to = os.pipe()
        self.fro, to_write = os.pipe()
        self.profile = tempfile.TemporaryDirectory()

        def place():
            # 3 and 4 are what --remote-debugging-pipe reads and writes
            a, b = os.dup(to_read), os.dup(to_write)
            os.dup2(a, 3)
            os.dup2(b, 4)

        # no sandbox: root cannot have one
        self.process = subprocess.Popen(
            [program, "--headless=new", "--remote-debugging-pipe", "--disable-gpu", "--no-first-run", "--no-sandbox",
             "--disable-dev-shm-usage", "--disable-background-networking", "--hide-scrollbars",
             f"--user-data-dir={self.profile.name}", "about:blank"],
            preexec_fn=place, close_fds=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            env={**os.environ, "HOME": self.profile.name})
        os.close(to_read)
        os.close(to_write)
        self.buffer = b""
        self.number = 0
        self.events = []
        target = self.ask("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Network", "Runtime", "Log"):
            self.ask(domain + ".enable")

    def message(self):
        while b"\0" not in self.buffer:
            ready, _, _ = select.select([self.fro], [], [], PATIENCE)
            part = os.read(self.fro, 1 << 20) if ready else b""
            if not part:
                raise SystemExit("browser.py: Chromium has gone, or says nothing")
            self.buffer += part
        text, self.buffer = self.buffer.split(b"\0", 1)
        message = json.loads(text)
        if message.get("method") == "Page.javascriptDialogOpening":
            self.send("Page.handleJavaScriptDialog", accept=False)  # else the page waits for ever
        return message

    def send(self, method, **params):
        self.number += 1
        request = {"id": self.number, "method": method, "params": params}
        if hasattr(self, "session"):
            request["sessionId"] = self.session
        os.write(self.to, json.dumps(request).encode() + b"\0")
        return self.number

    def ask(self, method, **params):
        number = self.send(method, **params)
        while True:
            message = self.message()
            if message.get("id") == number:
                if "error" in message:
                    raise SystemExit(f"browser.py: {method}: {message['error']}")
                return message["result"]
            self.events.append(message)

    def open(self, path, width, mobile, dark=False):
        self.ask("Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=mobile)
        self.ask("Emulation.setEmulatedMedia", media="",
                 features=[{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}])
        self.events = []
        self.ask("Page.navigate", url=path.resolve().as_uri())
        while not any(e.get("method") == "Page.loadEventFired" for e in self.events):
            self.events.append(self.message())
        # whatever would run or be fetched a little later
        self.ask("Runtime.evaluate", expression="new Promise(r => setTimeout(r, 300))", awaitPromise=True)

    def page(self):
        return json.loads(self.ask("Runtime.evaluate", expression=PAGE)["result"]["value"])

    def picture(self, path):
        size = self.ask("Page.getLayoutMetrics")["cssContentSize"]
        clip = {"x": 0, "y": 0, "width": size["width"], "height": min(size["height"], 12000), "scale": 1}
        data = self.ask("Page.captureScreenshot", captureBeyondViewport=True, clip=clip)["data"]
        path.write_bytes(base64.b64decode(data))

    def paper(self):
        return base64.b64decode(self.ask("Page.printToPDF", preferCSSPageSize=True)["data"])

    def close(self):
        self.process.terminate()
        self.process.wait()
        self.profile.cleanup()


failures = []


def check(right, what):
    if not right:
        failures.append(what)
        print("not right:", what)


def look(browser, path):
    report = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    for width, mobile in WIDTHS.items():
        name = f"{path.stem} at {width}"
        browser.open(path, width, mobile)
        page = browser.page()
        requests = [e["params"]["request"]["url"] for e in browser.events if e.get("method") == "Network.requestWillBeSent"]
        check(requests == [path.resolve().as_uri()], f"{name}: requests {requests}")
        bad = [e for e in browser.events if e.get("method") in (
            "Page.javascriptDialogOpening", "Runtime.consoleAPICalled", "Runtime.exceptionThrown", "Log.entryAdded",
            "Page.windowOpen")]
        check(not bad, f"{name}: {bad}")
        check(page["marked"] == "undefined", f"{name}: a script ran")
        check(set(page["names"]) <= ELEMENTS, f"{name}: elements {set(page['names']) - ELEMENTS}")
        check(not [a for a in page["attributes"] if a.startswith("on") or a in ("src", "href", "style")],
              f"{name}: attributes {page['attributes']}")
        check(page["mode"] == "CSS1Compat", f"{name}: quirks mode")
        check(not page["images"] and not page["links"] and not page["forms"] and page["sheets"] == 1,
              f"{name}: images, links, forms or style sheets")
        check(page["scroll"] <= page["width"] <= width, f"{name}: {page['scroll']} wide in {page['width']}")
        check(not page["outside"], f"{name}: stands out of the window: {page['outside'][:3]}")
        check(page["tallest"] <= 400, f"{name}: a long value takes {page['tallest']} px")
        check(page["named"], f"{name}: a heading without scope")
        drawn = report["counts"]["step_count"] or any(
            e["kind"] not in ("run", "trace") and e["occurred_at"] for e in report["evidence"])
        check(page["svg"] == (1 if drawn else 0), f"{name}: {page['svg']} timelines")
        check([r[5] for r in page["evidence"]] == [as_html(e["title"] or "") for e in report["evidence"]],
              f"{name}: titles are not as in the JSON report")
        check([r[2] for r in page["evidence"]] == [as_html(e["record_id"] or "") for e in report["evidence"]],
              f"{name}: records are not as in the JSON report")
        check(page["summary"][0] == [as_html(report["run_id"])], f"{name}: the run is {page['summary'][0]}")
        check(page["statements"] == [as_html(f["statement"]) + ";" for f in report["recommended_fixes"]],
              f"{name}: statements are not as in the JSON report")
        if "SCREENSHOTS" in os.environ:
            browser.picture(pathlib.Path(os.environ["SCREENSHOTS"], f"{path.stem}-{width}.png"))
    if "SCREENSHOTS" in os.environ:
        browser.open(path, 1280, False, dark=True)
        browser.picture(pathlib.Path(os.environ["SCREENSHOTS"], f"{path.stem}-dark.png"))
    browser.open(path, 1280, False)
    paper = browser.paper()
    check(paper.startswith(b"%PDF"), f"{path.stem}: no paper")
    if "SCREENSHOTS" in os.environ:
        pathlib.Path(os.environ["SCREENSHOTS"], f"{path.stem}.pdf").write_bytes(paper)


browser = Browser(sys.argv[1])
try:
    paths = [pathlib.Path(p) for p in sys.argv[2:]]
    for path in paths:
        look(browser, path)
finally:
    browser.close()
if failures:
    raise SystemExit(f"browser.py: {len(failures)} things are not right")
print(f"{len(paths)} reports at {len(WIDTHS)} widths: nothing ran, nothing was fetched, nothing stands out of the window")
