// Asks the JSON API. Changes carry the session's token against forged requests; refusals become errors that tell why.

const ANSWER_MS_MAX = 10000;

export class Refusal extends Error {
  constructor(status, problem) {
    super(problem.detail ?? problem.title ?? `the answer was ${status}`);
    this.status = status;
    this.problem = problem;
  }
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
    }
    return this.session;
  }

  async logIn(name, password) {
    this.session = await this.post("/api/session", { name, password });
  }

  async logOut() {
    await this.#ask("DELETE", "/api/session");
    this.session = null;
  }

  async #ask(method, path, body) {
    const headers = { Accept: "application/json" };
    if (body !== undefined) headers["Content-Type"] = "application/json";
    if (method !== "GET" && this.session?.csrf_token) headers["X-CSRF-Token"] = this.session.csrf_token;
    let response;
    try {
      response = await fetch(path, { method, headers, body: body === undefined ? undefined : JSON.stringify(body), signal: AbortSignal.timeout(ANSWER_MS_MAX) });
    } catch (error) {
      throw new Refusal(0, { detail: error.name === "TimeoutError" ? `no answer within ${ANSWER_MS_MAX / 1000} s` : "the dashboard's server does not answer" });
    }
    const answer = await response.json().catch(() => ({ detail: `the answer (${response.status}) was not JSON` }));
    if (!response.ok) throw new Refusal(response.status, answer);
    return answer;
  }
}
