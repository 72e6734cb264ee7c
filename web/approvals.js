// The plans that wait for a person.  An answer names the hash of the plan that is shown: what has
// become another plan meanwhile is not approved by it.

import { el, keep, outside, say } from "./dom.js";
import { clock } from "./format.js";

const at = (id) => document.getElementById(id);
const ANSWER_MS = 10_000;

async function post(path, body) {
  const answer = await fetch(path, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
    signal: AbortSignal.timeout(ANSWER_MS),
  });
  if (answer.ok) return null;
  const problem = await answer.json().catch(() => ({}));
  return problem.detail ?? `HTTP ${answer.status}`;
}

/** Draws the plans that wait; `answered` is called after each answer. */
export function drawApprovals(waiting, answered) {
  at("approvals").hidden = waiting.length === 0;
  say(at("approvals-count"), waiting.length > 0 ? String(waiting.length) : "");
  keep(at("approvals-list"), waiting, (plan) => plan.attempt, (plan) => card(plan, answered));
}

function card(plan, answered) {
  const target = plan.target.resource ? `${plan.target.service}:${plan.target.resource}` : plan.target.service;
  const note = el("p", { class: "note", role: "status" });
  const buttons = ["approve", "deny"].map((word) => el("button", {
    type: "button", class: word, id: `${word}-${plan.attempt}`,
    "aria-label": `${word === "approve" ? "Approve" : "Deny"} ${plan.attempt}`,
    onclick: () => send(word),
  }, word === "approve" ? "Approve" : "Deny"));

  async function send(word) {
    for (const button of buttons) button.disabled = true;
    const body = word === "approve" ? { hash: plan.hash, by: "page" } : { by: "page" };
    const refused = await post(`/api/v1/approvals/${plan.attempt}/${word}`, body)
      .catch((error) => `not answered: ${error.message}`);
    say(note, refused ?? (word === "approve" ? "Approved" : "Denied"));
    for (const button of buttons) button.disabled = refused === null;
    answered();
  }

  return el("li", { class: "approval" },
    el("h3", {},
      el("span", {}, el("b", {}, plan.attempt), " ", outside("span", "target", target), " ",
        outside("span", "symptom", plan.playbook)),
      el("span", { class: `badge ${plan.class === "destructive" ? "failing" : "warning"}` }, plan.class)),
    el("ol", { class: "steps" }, ...plan.steps.map(step)),
    outside("p", "quiet", `Proven when ${plan.proof}`),
    el("p", { class: "quiet" }, "Expires at ", el("time", { datetime: plan.expires_at }, clock(plan.expires_at)),
      `, plan ${plan.hash.slice(0, 12)}`),
    el("p", { class: "answers" }, ...buttons), note);
}

function step(step) {
  return el("li", {},
    outside("span", "text", step.action), " ", el("span", { class: "quiet" }, step.class),
    step.argv.length > 0 ? outside("code", "", step.argv.join(" ")) : null,
    step.when ? outside("span", "reason", `only when ${step.when}`) : null);
}
