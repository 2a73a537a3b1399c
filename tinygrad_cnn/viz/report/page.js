// While the run is running: tells how old the page is, loads it again when news is due, and stops when none comes.
(() => {
  const state = document.getElementById("state");
  const memory = {
    key: "report:" + location.pathname,
    read() { try { return JSON.parse(sessionStorage.getItem(this.key)) || {}; } catch { return {}; } },
    write(content) { try { sessionStorage.setItem(this.key, JSON.stringify(content)); } catch { /* private mode */ } },
  };

  // What the reader had opened, focused and paused outlives a refresh, their own too; where they had scrolled to, the browser knows.
  const before = memory.read();
  for (const id of before.open || []) document.getElementById(id)?.setAttribute("open", "");
  if (before.focus) document.getElementById(before.focus)?.focus({ preventScroll: true });

  if (state.dataset.state !== "running") { memory.write({}); return; }
  const number = (name) => Number(state.dataset[name]);
  const news = document.getElementById("news"), button = document.getElementById("pause");
  const loaded = Date.now() / 1000;
  let paused = Boolean(before.paused);

  const ago = (seconds) =>
    seconds < 90 ? `${Math.max(0, Math.round(seconds))} s` : seconds < 5400 ? `${Math.round(seconds / 60)} min` : `${Math.round(seconds / 3600)} h`;
  const say = (text) => { if (news.textContent !== text) news.textContent = text; };
  const show = () => {
    button.hidden = false;
    button.textContent = paused ? "Resume refreshing" : "Pause refreshing";
    button.setAttribute("aria-pressed", String(paused));
  };

  addEventListener("pagehide", () => memory.write({
    paused, focus: document.activeElement?.id,
    open: [...document.querySelectorAll("details[open]")].map((element) => element.id),
  }));

  function look() {
    const now = Date.now() / 1000, age = now - number("written");
    if (age > number("patience")) {
      clearInterval(clock);
      state.classList.add("stale");
      button.hidden = true;
      say(`No news since ${state.dataset.clock}, ${ago(age)} ago: the run was probably cut off. Reload the page to look again.`);
      return;
    }
    const due = Math.max(number("written") + number("due"), loaded + number("interval"));
    if (paused) say(`Refreshing is paused. Written at ${state.dataset.clock}.`);
    else say(`Written at ${state.dataset.clock}. Refreshes itself after each epoch.`);
    if (!paused && !document.hidden && now > due) location.reload();
  }

  button.addEventListener("click", () => { paused = !paused; show(); look(); });
  document.addEventListener("visibilitychange", look);
  show();
  const clock = setInterval(look, 1000);
  look();
})();
