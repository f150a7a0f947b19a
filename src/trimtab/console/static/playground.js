// Sends a prompt through the gateway from this page. The key is read when it is sent, and kept
// nowhere.
"use strict";

function values(form) {
  const found = {};
  for (const field of form.querySelectorAll("[data-variable]")) {
    const isText = field.dataset.kind === "text";
    if (!field.value && ("default" in field.dataset || !isText)) continue;
    found[field.dataset.variable] = isText ? field.value : JSON.parse(field.value);
  }
  return found;
}

function line(name, text) {
  const made = document.createElement(name);
  made.textContent = text;
  return made;
}

function show(place, ...parts) {
  place.hidden = false;
  place.replaceChildren(...parts);
}

function facts(answer, startedMs) {
  const id = answer.headers.get("x-trimtab-request-id");
  const said = line("p", `HTTP ${answer.status} after ${Math.round(performance.now() - startedMs)} ms`);
  said.className = "quiet";
  if (id) {
    const link = line("a", id);
    link.href = `/console/requests/${encodeURIComponent(id)}`;
    said.append(" · request ", link);
  }
  return said;
}

function text(told) {
  if (told.error) return told.error.message;
  const message = told.choices?.[0]?.message;
  return message?.content ?? JSON.stringify(message ?? told, null, 2);
}

async function send(form, place) {
  const key = form.querySelector("[data-key]").value.trim();
  if (!key) {
    form.querySelector("[data-key]").focus();
    return show(place, line("p", "Paste a key first; `trimtab keys create` makes one."));
  }
  let variables;
  try {
    variables = values(form);
  } catch (error) {
    return show(place, line("p", `A variable is no JSON: ${error.message}`));
  }
  const { name, version } = form.dataset;
  const body = {
    model: form.querySelector("[data-model]").value,
    trimtab: { prompt: { id: name, version, variables } },
  };
  show(place, line("p", "Waiting for the answer…"));
  const startedMs = performance.now();
  const answer = await fetch("/v1/chat/completions", {
    method: "POST",
    credentials: "omit",
    headers: { authorization: `Bearer ${key}`, "content-type": "application/json" },
    body: JSON.stringify(body),
  });
  const told = await answer.json().catch(() => ({ error: { message: "The answer is no JSON." } }));
  const said = line("p", text(told));
  said.className = answer.ok ? "text" : "text problem";
  show(place, said, facts(answer, startedMs));
}

for (const form of document.querySelectorAll("[data-playground]")) {
  const place = document.querySelector("[data-answer]");
  const button = form.querySelector("[data-send]");
  form.querySelector("[data-needs-script]").hidden = false;
  button.addEventListener("click", async () => {
    button.disabled = true;
    try {
      await send(form, place);
    } catch (error) {
      show(place, line("p", `The gateway does not answer: ${error.message}`));
    } finally {
      button.disabled = false;
    }
  });
}
