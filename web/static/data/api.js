// Asks the JSON API. Changes carry the session's token against forged requests; refusals become errors that tell why.

const ANSWER_MS_MAX = 10000;

export class Refusal extends Error {
  constructor(status, problem) {
    super(problem.detail ?? problem.title ?? `the answer was ${status}`);
    this.status = status;
    this.problem = problem;
  }
}

/** So that the next load may ask before it knows who is there. */
function remember(session) {
  if (session) localStorage.setItem("logged-in", "yes");
  else localStorage.removeItem("logged-in");
}

/** The answer that `start.js` asked for before the modules were there; each once. */
function takeEarly(path) {
  const answer = window.askedEarly?.get(path) ?? null;
  window.askedEarly?.delete(path);
  return answer;
}

export class Api {
  session = null; // who is logged in, and what they may do

  get can() {
    const scopes = this.session?.scopes ?? [];
    return { operate: scopes.includes("operate"), read: scopes.length > 0 };
  }

  get(path) {
    return this.#ask("GET", path);
  }

  post(path, body) {
    return this.#ask("POST", path, body);
  }

  put(path, body) {
    return this.#ask("PUT", path, body);
  }

  /** The session of this browser; null when nobody is logged in. */
  async whoAmI() {
    try {
      this.session = await this.get("/api/session");
    } catch (error) {
      if (error.status !== 401) throw error;
      this.session = null;
      window.askedEarly?.clear();
    }
    remember(this.session);
    return this.session;
  }

  async logIn(name, password) {
    this.session = await this.post("/api/session", { name, password });
    remember(this.session);
  }

  async logOut() {
    await this.#ask("DELETE", "/api/session");
    this.session = null;
    remember(null);
  }

  async #ask(method, path, body) {
    const headers = { Accept: "application/json" };
    if (body !== undefined) headers["Content-Type"] = "application/json";
    if (method !== "GET" && this.session?.csrf_token) headers["X-CSRF-Token"] = this.session.csrf_token;
    let response;
    try {
      response = await (method === "GET" ? takeEarly(path) : null) ?? await fetch(path, { method, headers, body: body === undefined ? undefined : JSON.stringify(body), signal: AbortSignal.timeout(ANSWER_MS_MAX) });
    } catch (error) {
      throw new Refusal(0, { detail: error.name === "TimeoutError" ? `no answer within ${ANSWER_MS_MAX / 1000} s` : "the dashboard's server does not answer" });
    }
    const answer = await response.json().catch(() => ({ detail: `the answer (${response.status}) was not JSON` }));
    if (!response.ok) throw new Refusal(response.status, answer);
    return answer;
  }
}
