"""The status page in a real browser. Every wait is for something that the page shows."""
import contextlib
import signal
import socket
import threading

import pytest

from browser import Browser
from daemon import Vitald, free_port, wait_for

LISTEN = "listen:\n  - { address: \"127.0.0.1:%d\", serve: [%s] }\n"


@pytest.fixture(scope="module")
def browser():
    b = Browser()
    yield b
    b.quit()


@pytest.fixture(autouse=True)
def as_found(request):
    yield
    if "browser" in request.fixturenames:
        request.getfixturevalue("browser").cdp("Emulation.clearDeviceMetricsOverride")


@contextlib.contextmanager
def target(port=0):
    """A port that accepts connections while this lasts."""
    def accept():
        with contextlib.suppress(OSError):
            while True:
                s.accept()[0].close()

    with socket.create_server(("127.0.0.1", port)) as s:
        threading.Thread(target=accept, daemon=True).start()
        yield s.getsockname()[1]
        s.shutdown(socket.SHUT_RDWR)


def config(port, more=""):
    return f"""defaults: {{ interval: 100ms, timeout: 2s, interval_unsettled: 50ms, rise: 1, fall: 2 }}
probes:
  db: {{ tcp: "127.0.0.1:{port}", shared: true }}
  app: {{ tcp: "127.0.0.1:{port}", depends_on: [db] }}
  root: {{ disk: / }}
{more}groups:
  stores: {{ any: [db] }}
  ready: {{ all: [app, stores], advisory: [root] }}
"""


def test_it_shows_what_there_is_and_breaks_no_rule(browser):
    with target() as port, Vitald(config(port)) as d:
        d.wait_state("app", "up")
        browser.open(d)
        browser.wait("#link", "live")
        browser.wait("h1", "All 4 probes are up" if browser.all("#probe-self") else "All 3 probes are up")
        assert browser.text("#wrong") == "Nothing."
        for group in ("ready", "live", "startup", "health", "stores"):
            assert "pass" in browser.text(f"#group-{group}")
        assert "tcp 127.0.0.1" in browser.text("#probe-db summary")
        assert browser.all("#probe-db svg.history path.pass")
        assert browser.all("#probe-db svg.latency polyline")
        assert "db" in browser.text("#journal")
        assert "UTC" not in browser.text("#probe-db"), "the script shows local times"
        browser.one("#probe-db summary").click()
        assert "every 100 ms" in browser.text("#probe-db dl")
        assert browser.errors() == []


def test_a_change_is_shown_without_a_reload(browser):
    with contextlib.ExitStack() as stack:
        port = free_port()
        up = stack.enter_context(contextlib.ExitStack())
        up.enter_context(target(port))
        d = stack.enter_context(Vitald(config(port)))
        d.wait_state("app", "up")
        browser.open(d)
        browser.wait("#link", "live")
        browser.js("window.marker = 'still the same document'")
        browser.one("#probe-db summary").click()
        browser.one("#probe-root summary").click()
        up.close()
        browser.wait("#wrong-db", "refused")
        browser.wait("#wrong-app", "caused by db")
        browser.wait("#group-ready", "fail")
        browser.wait("h1", "2 down")
        assert "down" in browser.text("#probe-db .state")
        assert "2 down" in browser.driver.title
        assert "db" in browser.text("#journal > li") or "app" in browser.text("#journal")
        assert browser.js("return document.querySelector('#probe-db details').open"), "what was open stays open"
        wait_for(lambda: "to down" in browser.js("return document.getElementById('said').textContent")
                 or "fail" in browser.js("return document.getElementById('said').textContent"), "it is said aloud", every=0.05)
        up.enter_context(target(port))
        browser.wait("#wrong-nothing")
        browser.wait("#group-ready", "pass")
        assert browser.js("return window.marker") == "still the same document"
        assert browser.errors() == []


def test_what_people_order_is_shown(browser):
    with target() as port, Vitald(config(port)) as d:
        d.wait_state("app", "up")
        browser.open(d)
        browser.wait("#link", "live")
        d.ctl("maintenance", "root")
        browser.wait("#head .notice", "1 probe is in maintenance")
        assert "maintenance until" in browser.text("#probe-root .badge")
        d.ctl("drain")
        browser.wait("#head .notice.warn", "Draining")
        browser.wait("#group-ready", "draining")
        d.ctl("undrain")
        browser.gone("#head .notice.warn")
        browser.wait("#link", "live")          # the drain ended the stream; it came back


def test_it_comes_back_after_a_restart(browser):
    port = free_port()
    with target() as to:
        text = LISTEN % (port, "verdicts, status, events, page") + config(to)
        with Vitald(text) as d:
            d.wait_state("app", "up")
            browser.open(d)
            browser.wait("#link", "live")
            browser.js("window.marker = 1")
        browser.wait("#link", "No contact")
        assert browser.js("return document.body.classList.contains('lost')")
        with Vitald(text.replace("  root:", "  another: { disk: / }\n  root:")):
            browser.wait("#probe-another")
            browser.wait("#link", "live")
            assert not browser.js("return document.body.classList.contains('lost')")
            assert browser.js("return window.marker") == 1


def test_one_that_hangs_is_not_live(browser):
    with target() as port, Vitald(config(port)) as d:
        d.wait_state("app", "up")
        browser.open(d)
        browser.wait("#link", "live")
        d.signal(signal.SIGSTOP)                         # the kernel goes on to accept connections
        try:
            browser.js("document.dispatchEvent(new Event('visibilitychange'))")
            browser.wait("#link", "No contact")
        finally:
            d.signal(signal.SIGCONT)
        browser.wait("#link", "live")


def test_it_polls_where_no_events_are_served(browser):
    port, listen = free_port(), free_port()
    with target() as other, contextlib.ExitStack() as up:
        up.enter_context(target(port))
        with Vitald(LISTEN % (listen, "page") + config(port)) as d:
            browser.open(d)
            browser.wait("#wrong-nothing")
            browser.wait("#link", "every few seconds")
            up.close()
            browser.wait("#wrong-db", "refused")
            assert d.get("/status").status == 404 and other


def test_without_scripts(browser):
    with target() as port, Vitald(config(port, f'  gone: {{ tcp: "127.0.0.1:{free_port()}" }}\n')) as d:
        d.wait_state("gone", "down")
        d.wait_state("app", "up")
        with browser.without_scripts():
            browser.open(d)
            page = browser.one("body").text
            assert "gone is down" in page and "refused" in page and "UTC" in page and "reload the page" in page
            assert not browser.one("#filter").is_displayed()
            browser.one("#probe-db summary").click()
            assert "every 100 ms" in browser.one("#probe-db dl").text
            assert browser.errors() == []


def test_the_accessibility_tree_has_names_and_roles(browser):
    with target() as port, Vitald(config(port, f'  gone: {{ tcp: "127.0.0.1:{free_port()}" }}\n')) as d:
        d.wait_state("gone", "down")
        browser.open(d)
        browser.wait("#link", "live")
        tree = browser.tree()
        roles = {(r, n) for r, n, _ in tree}
        assert {n for r, n in roles if r == "region"} >= {"What is wrong", "Groups", "Transitions"}
        assert any(r == "main" for r, _ in roles) and any(r == "search" for r, _ in roles)
        assert [n for r, n, p in tree if r == "heading" and p.get("level") == 1] == [browser.text("h1")]
        assert ("searchbox", "Show only probes with") in roles
        for role in ("link", "button", "image", "searchbox", "DisclosureTriangle", "heading", "region"):
            nameless = [n for r, n in roles if r == role and not n.strip()]
            assert not nameless, f"{role} without a name"
        lines = [n for r, n in roles if r == "DisclosureTriangle"]
        assert any(n.startswith("down gone") for n in lines), lines      # the state is a word, not a colour
        assert any("outcomes" in n for r, n in roles if r == "image")


def test_by_keyboard_alone(browser):
    with target() as port, Vitald(config(port)) as d:
        d.wait_state("app", "up")
        browser.open(d)
        browser.wait("#link", "live")
        body = browser.one("body")
        body.send_keys("/")
        assert browser.js("return document.activeElement.id") == "words"
        browser.one("#words").send_keys("DB up")
        assert [e.get_attribute("id") for e in browser.all("#probes > li") if e.is_displayed()] == ["probe-db"]
        for _ in range(5):                     # four buttons, then the line
            browser.driver.switch_to.active_element.send_keys("\ue004")
        assert browser.js("return document.activeElement.closest('li').id") == "probe-db"
        browser.driver.switch_to.active_element.send_keys("\ue007")
        assert browser.js("return document.querySelector('#probe-db details').open")
        browser.one("#words").send_keys("\ue00c")
        assert browser.text("#count") == str(len(browser.all("#probes > li")))


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_a_phone(browser, scheme):
    name = "a-name-as-long-as-the-longest-that-a-person-would-write-here"
    with target() as port, Vitald(config(port, f'  {name}: {{ http: "http://127.0.0.1:{free_port()}/{"x" * 200}" }}\n')) as d:
        d.wait_state(name, "down")
        browser.scheme(scheme)
        for width in (390, 320):
            browser.size(width, mobile=True)
            browser.open(d)
            browser.wait("#link", "live")
            browser.one(f"#probe-{name} summary").click()
            assert browser.js("return document.documentElement.scrollWidth") <= width
            assert browser.js("return [...document.querySelectorAll('main *')].filter((e) => e.getBoundingClientRect().right > innerWidth + 1"
                              " && e.getClientRects().length && !e.closest('svg, .unseen, .symbols')).length") == 0
        dark = browser.js("return getComputedStyle(document.body).backgroundColor") == "rgb(17, 20, 24)"
        assert dark == (scheme == "dark")


def test_texts_are_readable(browser):
    """WCAG AA: 4.5 between every text and what is behind it, in the light and in the dark."""
    contrast = """
      const lum = (c) => { const [r, g, b] = c.map((v) => (v /= 255, v <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4));
                           return .2126 * r + .7152 * g + .0722 * b; };
      const parts = (c) => c.match(/[\\d.]+/g).map(Number);
      const behind = (e) => { for (; e; e = e.parentElement) { const c = parts(getComputedStyle(e).backgroundColor);
                              if (c.length < 4 || c[3] > 0) return c.slice(0, 3); } return [255, 255, 255]; };
      return [...document.querySelectorAll('body *')].filter((e) => !e.closest('svg, script, style, .unseen') && e.getClientRects().length
          && [...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim())).map((e) => {
        const a = lum(parts(getComputedStyle(e).color).slice(0, 3)), b = lum(behind(e));
        return [(Math.max(a, b) + .05) / (Math.min(a, b) + .05), e.outerHTML.slice(0, 120)]; }).filter(([c]) => c < 4.5);"""
    with target() as port, Vitald(config(port, f'  gone: {{ tcp: "127.0.0.1:{free_port()}" }}\n')) as d:
        d.wait_state("gone", "down")
        d.ctl("pause", "app")
        for scheme in ("light", "dark"):
            browser.scheme(scheme)
            browser.open(d)
            browser.wait("#link", "live")
            assert browser.js(contrast) == []


def test_a_thousand_probes_are_filtered_at_once(browser):
    """In the very task of the key: no timer, and nothing but `hidden` of the lines that change is touched."""
    many = "".join(f"  p{i:04}: {{ self: {{}}, interval: 1h }}\n" for i in range(998))
    with target() as port:
        with Vitald("probes:\n" + many + f'  odd-one: {{ tcp: "127.0.0.1:{port}" }}\n') as d:
            wait_for(lambda: all(p["state"] == "up" for p in d.status()["probes"]), "all are up", every=0.2)
            browser.open(d)
            browser.wait("#link", "live")
            total = len(browser.all("#probes > li"))
            assert total >= 998
            shown, touched, other = browser.js("""
              const list = document.getElementById('probes'), watch = new MutationObserver(() => {});
              watch.observe(list, { subtree: true, childList: true, attributes: true });
              const words = document.getElementById('words');
              words.value = 'odd-one';
              words.dispatchEvent(new Event('input'));
              const seen = watch.takeRecords();
              watch.disconnect();
              return [[...list.children].filter((e) => !e.hidden).map((e) => e.id), seen.filter((r) => r.attributeName === 'hidden').length,
                      seen.filter((r) => r.attributeName !== 'hidden').length];""")
            assert shown == ["probe-odd-one"]
            assert (touched, other) == (total - 1, 0)
            assert browser.text("#count") == f"1 of {total}"
            d.ctl("maintenance", "p0500")                # the filter holds while the page changes below it
            browser.wait("#head .notice", "1 probe is in maintenance")
            assert [e.get_attribute("id") for e in browser.all("#probes > li:not([hidden])")] == ["probe-odd-one"]
            assert browser.errors() == []


def test_nothing_else_may_run_in_it(browser):
    with target() as port, Vitald(config(port)) as d:
        d.wait_state("app", "up")
        browser.open(d)
        browser.wait("#link", "live")
        browser.js("""const s = document.createElement('script'); s.textContent = 'window.pwned = 1'; document.body.append(s);
                      document.body.insertAdjacentHTML('beforeend', '<p style="color: red" id="styled" onclick="window.pwned = 2">x</p>');
                      document.getElementById('styled').click();""")
        assert browser.js("return window.pwned") is None
        assert browser.js("return document.getElementById('styled').style.color") in ("", "red")
        assert any("Content Security Policy" in e for e in browser.errors())
        answer = d.get("/")
        assert "unsafe" not in answer.headers["Content-Security-Policy"]
        assert d.get("/", headers={"If-None-Match": answer.headers["ETag"]}).status in (200, 304)
