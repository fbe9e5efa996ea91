"""A real headless Chromium, with what the tests of the status page ask it."""
import contextlib
import shutil

import pytest

from daemon import wait_for

pytest.importorskip("selenium", reason="python3-selenium is not installed: the status page was not tested in a browser")
from selenium import webdriver                                          # noqa: E402
from selenium.common.exceptions import WebDriverException               # noqa: E402
from selenium.webdriver.chrome.options import Options                   # noqa: E402
from selenium.webdriver.chrome.service import Service                   # noqa: E402

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
if not CHROMIUM or not DRIVER:
    pytest.skip("chromium and chromium-driver are not installed: the status page was not tested in a browser", allow_module_level=True)


class Browser:
    def __init__(self):
        options = Options()
        options.binary_location = CHROMIUM
        for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--window-size=1280,1000",
                         "--disable-background-networking", "--no-first-run"):
            options.add_argument(argument)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        try:
            self.driver = webdriver.Chrome(options=options, service=Service(DRIVER))
        except WebDriverException:          # on a busy machine its first start may time out
            self.driver = webdriver.Chrome(options=options, service=Service(DRIVER))

    def open(self, daemon, path="/"):
        self.driver.get_log("browser")
        self.driver.get(f"http://127.0.0.1:{daemon.port}{path}")
        return self

    def js(self, code, *arguments):
        return self.driver.execute_script(code, *arguments)

    def cdp(self, command, **arguments):
        return self.driver.execute_cdp_cmd(command, arguments)

    def all(self, selector):
        return self.driver.find_elements("css selector", selector)

    def one(self, selector):
        return self.driver.find_element("css selector", selector)

    def text(self, selector):
        """Of the first such element, "" when there is none; one look, for elements come and go."""
        return self.js("const e = document.querySelector(arguments[0]); return e ? e.innerText : '';", selector)

    def wait(self, selector, text=""):
        return wait_for(lambda: (t := self.text(selector)) and text in t and t or (not text and self.all(selector)), f"{selector} {text!r}", every=0.05)

    def gone(self, selector):
        wait_for(lambda: not self.all(selector), f"no {selector}", every=0.05)

    def errors(self):
        return [e["message"] for e in self.driver.get_log("browser") if e["level"] in ("SEVERE", "WARNING")]

    def size(self, width, height=900, mobile=False):
        self.cdp("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=mobile)

    def scheme(self, name):
        self.cdp("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": name},
                                                        {"name": "prefers-reduced-motion", "value": "reduce"}])

    @contextlib.contextmanager
    def without_scripts(self):
        self.cdp("Emulation.setScriptExecutionDisabled", value=True)
        try:
            yield
        finally:
            self.cdp("Emulation.setScriptExecutionDisabled", value=False)

    def tree(self):
        """The accessibility tree: (role, name, properties) of what is not ignored."""
        self.cdp("Accessibility.enable")
        nodes = self.cdp("Accessibility.getFullAXTree")["nodes"]
        return [(n["role"]["value"], n.get("name", {}).get("value", ""), {p["name"]: p["value"].get("value") for p in n.get("properties", [])})
                for n in nodes if not n.get("ignored")]

    def quit(self):
        self.driver.quit()
