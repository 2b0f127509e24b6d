// Who are you: a name and a password; the first visit comes by a link that the start of the system prints.

import { h } from "../lib/dom.js";

export function loginPage(app, { words, onLogin }) {
  const error = h("p", { class: "error", role: "alert" }, words ?? "");
  const name = h("input", { name: "name", autocomplete: "username", required: true, maxlength: 64 });
  const password = h("input", { name: "password", type: "password", autocomplete: "current-password", required: true });
  const submit = h("button", { type: "submit", class: "primary" }, "Log in");
  const form = h("form", null, h("label", { class: "field" }, "Name", name), h("label", { class: "field" }, "Password", password), error, submit);
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    submit.disabled = true;
    error.textContent = "";
    try {
      await app.api.logIn(name.value, password.value);
      if (location.hash === "#login-link-spent") history.replaceState(null, "", "/");
      onLogin();
    } catch (refusal) {
      error.textContent = refusal.message;
      password.select();
    }
    submit.disabled = false;
  });
  return h(
    "main",
    { class: "login", id: "main", tabindex: "-1" },
    h(
      "div",
      { class: "panel" },
      h("h1", { class: "brand" }, h("img", { src: "/static/icon.svg", alt: "" }), "Quantum Trader"),
      form,
      h("p", { class: "quiet small" }, "No user yet? The first ./qt up prints a link that logs in once; ./qt login-link prints another."),
    ),
  );
}
