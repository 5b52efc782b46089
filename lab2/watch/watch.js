// Shows what the server sends: events of "now" hold what has changed, "ended" says that the report's page is there.
(() => {
  const now = document.getElementById("now");
  const summary = document.getElementById("summary");
  const connection = document.getElementById("connection");
  const source = new EventSource("events");

  function say(text, lost) {
    connection.textContent = text;
    connection.classList.toggle("lost", lost);
  }

  source.addEventListener("open", () => say("live", false));
  source.addEventListener("error", () => {
    const closed = source.readyState === EventSource.CLOSED;
    say(closed ? "no connection; load the page again" : "no connection; trying again", true);
  });
  source.addEventListener("now", (event) => {
    const sent = JSON.parse(event.data);
    const places = [...now.querySelectorAll(".scroll")].map((one) => one.scrollLeft);
    const focused = now.contains(document.activeElement) ? document.activeElement.getAttribute("aria-labelledby") : null;
    now.innerHTML = sent.html; // the server escapes all text, and the policy runs no script in it
    [...now.querySelectorAll(".scroll")].forEach((one, place) => { one.scrollLeft = places[place] ?? 0; });
    if (focused) now.querySelector(`.scroll[aria-labelledby="${focused}"]`)?.focus({ preventScroll: true });
    if (summary.textContent !== sent.summary) summary.textContent = sent.summary;
    say("live", false);
  });
  source.addEventListener("ended", () => {
    source.close();
    location.reload();
  });
})();
