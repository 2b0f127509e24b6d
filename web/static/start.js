// What cannot wait for the modules: the theme, so that no page flashes in the other one, and the first two questions.
{
  const chosen = localStorage.getItem("theme");
  if (chosen === "dark" || chosen === "light") document.documentElement.dataset.theme = chosen;

  // Only where somebody was logged in: to others the answers would be refusals.
  const paths = localStorage.getItem("logged-in") && !location.hash.startsWith("#login") ? ["/api/session", "/api/snapshot"] : [];
  window.askedEarly = new Map(paths.map((path) => [path, fetch(path, { headers: { Accept: "application/json" }, signal: AbortSignal.timeout(10000) })]));
  for (const answer of window.askedEarly.values()) answer.catch(() => {}); // told where the answer is waited for
}
