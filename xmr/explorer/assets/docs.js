// The page of the API: /api/openapi.json as headings, tables and forms to try each address.

const [description, open] = await Promise.all(
  ["/api/openapi.json", "/api/sources"].map(async (address) => (await fetch(address)).json()),
);
// what a form begins with, so that "Try it" answers at once
const first = open.sources[0]?.id ?? "";
const BEGIN = { source: first, one: first, other: open.sources[1]?.id ?? first, text: "a dog", direction: "text_to_image" };

function element(name, text = "", more = {}) {
  const made = Object.assign(document.createElement(name), more);
  made.append(text);
  return made;
}

function resolved(schema) {
  if (!schema?.$ref) return schema ?? {};
  return schema.$ref.split("/").slice(1).reduce((at, key) => at[key], description);
}

function typeOf(schema) {
  if (schema.$ref) return schema.$ref.split("/").pop();
  if (schema.enum) return schema.enum.map((value) => JSON.stringify(value)).join(" | ");
  if (schema.const !== undefined) return JSON.stringify(schema.const);
  if (schema.anyOf) return schema.anyOf.map(typeOf).join(" | ");
  if (schema.type === "array") return `[${typeOf(schema.items ?? {})}]`;
  return schema.type ?? "any";
}

function example(schema) {
  const of = resolved(schema);
  if (of.default !== undefined) return of.default;
  if (of.enum) return of.enum[0];
  if (of.anyOf) return of.anyOf.some((each) => each.type === "null") ? null : example(of.anyOf[0]);
  if (of.type === "array") return of.items?.$ref ? [example(of.items)] : [];
  if (of.properties) {
    const pairs = Object.entries(of.properties).map(([name, property]) => [name, BEGIN[name] ?? example(property)]);
    return Object.fromEntries(pairs);
  }
  return { string: "", integer: 0, number: 0, boolean: false }[of.type] ?? null;
}

function table(rows) {
  const made = element("table");
  const head = made.createTHead().insertRow();
  for (const name of ["name", "type", "default", ""]) head.append(element("th", name));
  const body = made.createTBody();
  for (const { name, type, standard, said } of rows) {
    const row = body.insertRow();
    row.insertCell().append(element("code", name));
    row.insertCell().append(type);
    row.insertCell().append(standard === undefined ? "needed" : JSON.stringify(standard));
    row.insertCell().append(said ?? "");
  }
  return made;
}

function bodyRows(schema) {
  const of = resolved(schema);
  return Object.entries(of.properties ?? {}).map(([name, property]) => ({
    name, type: typeOf(property),
    standard: of.required?.includes(name) ? undefined : property.default ?? null,
    said: resolved(property).description ?? "",
  }));
}

async function attempt(form, path, method, parameters, output) {
  const values = Object.fromEntries(new FormData(form));
  let address = path;
  const query = new URLSearchParams();
  for (const { name, in: place } of parameters) {
    if (place === "path") address = address.replace(`{${name}}`, encodeURIComponent(values[name]));
    else if (values[name] !== "") query.set(name, values[name]);
  }
  const options = { method };
  if (values.file) options.body = values.file;
  if (values.body) Object.assign(options, { body: values.body, headers: { "Content-Type": "application/json" } });
  output.hidden = false;
  output.textContent = "…";
  try {
    const response = await fetch(query.size ? `${address}?${query}` : address, options);
    const kind = response.headers.get("Content-Type") ?? "";
    const text = kind.includes("json")
      ? JSON.stringify(await response.json(), null, 2)
      : `${kind}, ${(await response.arrayBuffer()).byteLength} bytes`;
    output.textContent = `${response.status}\n${text}`;
  } catch (error) {
    output.textContent = `The explorer does not answer (${error.message}). Is it running?`;
  }
}

function operation(path, method, said) {
  const article = element("article", "", { id: `${method}${path}` });
  const heading = element("h2");
  heading.append(element("span", method.toUpperCase(), { className: "method" }), element("code", path));
  article.append(heading, element("p", said.summary ?? ""));
  article.append(element("p", said.description ?? "", { className: "said" }));
  const parameters = said.parameters ?? [];
  const json = said.requestBody?.content?.["application/json"]?.schema;
  const rows = parameters.map(({ name, schema, required, description: about }) => ({
    name, type: typeOf(schema), standard: required ? undefined : schema.default ?? null, said: about,
  }));
  if (rows.length) article.append(table(rows));
  if (json) article.append(element("p", "The body, as JSON:", { className: "said" }), table(bodyRows(json)));
  const form = element("form");
  for (const { name, schema } of parameters) {
    const label = element("label", name);
    label.append(element("input", "", { name, value: schema.default ?? BEGIN[name] ?? "" }));
    form.append(label);
  }
  if (json) {
    const label = element("label", "body", { className: "wide" });
    label.append(element("textarea", JSON.stringify(example(json), null, 2), { name: "body", spellcheck: false }));
    form.append(label);
  }
  if (said.requestBody?.content?.["application/octet-stream"]) {
    const label = element("label", "file");
    label.append(element("input", "", { name: "file", type: "file" }));
    form.append(label);
  }
  const output = element("pre", "", { hidden: true });
  form.append(element("button", "Try it"));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    attempt(form, path, method.toUpperCase(), parameters, output);
  });
  article.append(form, output);
  return article;
}

document.querySelector("#about").textContent = description.info.description;
document.querySelector("#state").remove();
for (const [path, methods] of Object.entries(description.paths)) {
  for (const [method, said] of Object.entries(methods)) {
    const article = operation(path, method, said);
    document.querySelector("#operations").append(article);
    const link = element("a", "", { href: `#${article.id}` });
    link.append(element("code", `${method.toUpperCase()} ${path}`));
    document.querySelector("#list").append(link);
  }
}
