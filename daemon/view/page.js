/* The status page, alive. Everything is rendered by the daemon: this fetches the page anew when the event stream says
 * that something happened, or now and then, and takes over the parts that differ. No markup is made from data here. */
"use strict";
(() => {
  const $ = (id) => document.getElementById(id);
  const SETTLE = 250, RETRY_STREAM = 60000, PACE = 5000, PACE_PER_PROBE = 20;
  const list = $("probes"), words = $("words"), link = $("link");
  const buttons = [...document.querySelectorAll("#filter button")];
  let last = partsOf(document, true);       // the parts as they were sent, to compare the next ones with
  let stream = null, streaming = false, tag = "", fetching = false, again = false, timer = 0, chosen = "";

  function partsOf(page, copied) {
    return new Map([...page.querySelectorAll("[data-live]")].map((e) => [e.id, copied ? e.cloneNode(true) : e]));
  }

  // ---- times: in the reader's zone, with their age

  const zone = { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" };
  const timeOf = new Intl.DateTimeFormat(undefined, zone);
  const dateOf = new Intl.DateTimeFormat(undefined, { ...zone, year: "numeric", month: "short", day: "numeric" });
  const ageOf = new Intl.RelativeTimeFormat(undefined, { numeric: "always", style: "short" });

  function age(seconds) {
    for (const [unit, size] of [["day", 86400], ["hour", 3600], ["minute", 60]])
      if (seconds >= size)
        return ageOf.format(-Math.floor(seconds / size), unit);
    return ageOf.format(-Math.max(0, Math.floor(seconds)), "second");
  }

  function showTime(t, now) {
    const when = new Date(t.dateTime);
    let text = (when.toDateString() === now.toDateString() ? timeOf : dateOf).format(when);
    if ("ago" in t.dataset)
      text += ` (${age((now - when) / 1000)})`;
    if (t.textContent !== text)
      t.textContent = text;
    t.title = t.dateTime;
  }

  function showTimes(within) {
    const now = new Date();
    for (const t of within.querySelectorAll("time"))
      showTime(t, now);
  }

  // ---- the filter

  const texts = new WeakMap();

  function textOf(row) {
    if (!texts.has(row))
      texts.set(row, row.querySelector("summary").textContent.toLowerCase());
    return texts.get(row);
  }

  function filter() {
    const wanted = words.value.toLowerCase().split(/\s+/).filter(Boolean);
    const counts = {};
    let shown = 0;
    for (const row of list.children) {
      const state = row.dataset.state, fits = wanted.every((w) => textOf(row).includes(w));
      counts[state] = (counts[state] || 0) + fits;
      row.hidden = !(fits && (!chosen || state === chosen));
      shown += !row.hidden;
    }
    const all = list.children.length;
    $("count").textContent = shown === all ? `${all}` : `${shown} of ${all}`;
    $("none").hidden = shown > 0 || all === 0;
    for (const b of buttons) {
      b.setAttribute("aria-pressed", String(b.dataset.state === chosen));
      b.querySelector("[data-count]").textContent = counts[b.dataset.state] || 0;
    }
  }

  // ---- taking over what differs

  function takeOver(old, fresh) {
    const inside = old.contains(document.activeElement), open = old.querySelector("details")?.open;
    const made = document.importNode(fresh, true);
    if (open)
      made.querySelector("details").open = true;
    if (old.dataset.state !== made.dataset.state || old.className !== made.className)
      made.classList.add("changed");
    old.replaceWith(made);
    showTimes(made);
    if (inside)
      made.querySelector("summary, a")?.focus({ preventScroll: true });
    return made;
  }

  function addNew(fresh) {
    const made = document.importNode(fresh, true);
    made.classList.add("changed");
    showTimes(made);
    return made;
  }

  function merge(into, before, after) {
    const gone = new Map([...into.children].map((e) => [e.id, e])), was = new Map([...before.children].map((e) => [e.id, e]));
    const wanted = [...after.children].map((fresh) => {
      const old = gone.get(fresh.id);
      gone.delete(fresh.id);
      if (!old)
        return addNew(fresh);
      return was.get(fresh.id)?.isEqualNode(fresh) ? old : takeOver(old, fresh);
    });
    for (const e of gone.values())
      e.remove();
    let at = into.firstElementChild;
    for (const e of wanted) {
      if (e === at)
        at = at.nextElementSibling;
      else
        into.insertBefore(e, at);
    }
  }

  function apply(text) {
    const next = new DOMParser().parseFromString(text, "text/html"), parts = partsOf(next, false);
    for (const [id, after] of parts) {
      const into = $(id), before = last.get(id);
      if (into.matches("ul, ol")) {
        merge(into, before, after);
      } else if (!before.isEqualNode(after)) {
        into.replaceChildren(...[...after.childNodes].map((n) => document.importNode(n, true)));
        showTimes(into);
      }
    }
    document.title = next.title;
    $("tab-icon").href = next.getElementById("tab-icon").href;
    document.body.dataset.last = next.body.dataset.last;
    last = parts;
    filter();
  }

  // ---- fetching

  function tell(kind, text) {
    link.hidden = false;
    link.className = kind;
    document.body.classList.toggle("lost", kind === "lost");
    if (link.textContent !== text)
      link.textContent = text;
  }

  function lost(why) {
    tell("lost", `No contact: ${why}. What you see is old.`);
  }

  async function fetchPage() {
    const signal = AbortSignal.timeout?.(pace());      // one that hangs would look live for ever
    const answer = await fetch("./", { cache: "no-store", signal, headers: tag ? { "If-None-Match": tag } : {} });
    if (answer.status === 200 && answer.headers.get("Content-Type").startsWith("text/html")) {
      apply(await answer.text());
      tag = answer.headers.get("ETag") || "";
    } else if (answer.status !== 304) {
      lost(`it answers ${answer.status}`);
      return;
    }
    tell(streaming ? "live" : "slow", streaming ? "live" : "every few seconds");
  }

  async function refresh() {
    if (fetching) {
      again = true;
      return;
    }
    fetching = true;
    again = false;
    try {
      await fetchPage();
    } catch {
      lost("vitald does not answer");
    }
    fetching = false;
    plan(again ? SETTLE : pace());
  }

  const pace = () => Math.max(PACE, list.children.length * PACE_PER_PROBE);

  function plan(delay) {
    clearTimeout(timer);
    timer = setTimeout(() => document.hidden ? plan(pace()) : refresh(), delay);
  }

  // ---- the event stream: only says that something happened, and what, for screen readers

  function hear(message) {
    const e = JSON.parse(message.data);
    $("said").textContent = `${e.name}: ${e.from ? `${e.from} to ` : ""}${e.to}${e.text ? `, ${e.text}` : ""}`;
    soon();
  }

  function soon() {
    if (fetching)
      again = true;
    else {
      clearTimeout(timer);
      timer = setTimeout(refresh, SETTLE);
    }
  }

  function follow() {
    stream = new EventSource("events");
    stream.onerror = () => {
      streaming = false;
      soon();
      if (stream.readyState === EventSource.CLOSED)
        setTimeout(follow, RETRY_STREAM);
    };
    stream.addEventListener("hello", () => {
      streaming = true;
      soon();
    });
    stream.addEventListener("skipped", soon);
    for (const kind of ["probe", "group", "mode", "self"])
      stream.addEventListener(kind, hear);
  }

  // ---- hands

  function choose(state) {
    chosen = chosen === state ? "" : state;
    filter();
  }

  function openTarget() {
    const target = location.hash.length > 1 && $(decodeURIComponent(location.hash.slice(1)));
    if (!target)
      return;
    target.hidden = false;
    if (target.parentElement === list)
      target.firstElementChild.open = true;
    target.scrollIntoView({ block: "nearest" });
  }

  words.addEventListener("input", filter);
  words.form.addEventListener("submit", (e) => e.preventDefault());
  for (const b of buttons)
    b.addEventListener("click", () => choose(b.dataset.state));
  document.addEventListener("keydown", (e) => {
    if (e.key === "/" && !e.ctrlKey && !e.metaKey && !e.altKey && document.activeElement !== words) {
      e.preventDefault();
      words.focus();
    } else if (e.key === "Escape" && document.activeElement === words) {
      words.value = "";
      filter();
    }
  });
  document.addEventListener("visibilitychange", () => document.hidden || soon());
  addEventListener("hashchange", openTarget);
  setInterval(() => document.hidden || showTimes(document.body), 5000);

  document.body.classList.add("alive");
  words.form.hidden = false;
  showTimes(document.body);
  filter();
  openTarget();
  follow();
  plan(pace());
})();
