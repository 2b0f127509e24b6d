// Questions that a person has to answer before something happens; each asks for the reason, which is kept in the audit.

import { h } from "../lib/dom.js";

const REASON_CHARACTERS_MAX = 500;

/**
 * Ask for a reason (and whatever `extra` holds); `act({reason, form})` does it. Stays open with the refusal when that
 * fails. Resolves to what `act` returned, or undefined when it was cancelled.
 */
export function ask({ title, words, action, danger = false, extra = [], act, reasonLabel = "Reason", placeholder = "why; kept in the audit" }) {
  return new Promise((resolve) => {
    const error = h("p", { class: "error", role: "alert" });
    const reason = h("input", { name: "reason", required: true, maxlength: REASON_CHARACTERS_MAX, autocomplete: "off", placeholder, autofocus: true });
    const submit = h("button", { class: danger ? "danger" : "primary", type: "submit" }, action);
    const form = h(
      "form",
      { method: "dialog" },
      h("h2", { id: "ask-title" }, title),
      words ? h("p", { class: "quiet" }, words) : null,
      ...extra,
      h("label", { class: "field" }, reasonLabel, reason),
      error,
      h("div", { class: "actions" }, h("button", { type: "button", onclick: () => dialog.close() }, "Cancel"), submit),
    );
    const dialog = h("dialog", { class: "ask", "aria-labelledby": "ask-title" }, form);
    let outcome;
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      submit.disabled = true;
      error.textContent = "";
      try {
        outcome = await act({ reason: reason.value.trim(), form: new FormData(form) });
        dialog.close();
      } catch (refusal) {
        error.textContent = refusal.message;
      }
      submit.disabled = false;
    });
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(outcome);
    });
    document.body.append(dialog);
    dialog.showModal();
  });
}

/** Show something over the page; `close()` takes it away again. */
export function drawer({ title, body, onClose = () => {} }) {
  const content = h("div", { class: "body" }, body);
  const heading = h("h2", { id: "drawer-title" }, title);
  const close = h("button", { type: "button", autofocus: true, onclick: () => dialog.close() }, "Close");
  const dialog = h("dialog", { class: "drawer", "aria-labelledby": "drawer-title" }, h("header", null, heading, h("span", { class: "grow" }), close), content);
  dialog.addEventListener("click", (event) => {
    if (event.target === dialog) dialog.close();
  });
  dialog.addEventListener("close", () => {
    dialog.remove();
    onClose();
  });
  document.body.append(dialog);
  dialog.showModal();
  return { content, heading, close: () => dialog.close() };
}
