// What each word of a caption adds to its match with a picture: each is left out in turn, and the rest embedded again.
import { ApiError, get, post } from "./api.js";
import { describe, figure, thumb } from "./cards.js";
import { button, h, put, sign } from "./dom.js";
import { empty } from "./messages.js";
import { deafNote, deafOf, rivalSelect, signed, titleOf } from "./metrics-parts.js";
import { sourceSelect } from "./sources.js";

const SAID = "Leaving out each word in turn…", FINDING = "Taking captions from the evaluation…";
const SLOW = "Still working: the first time, the model's weights are read.";
const NOTHING = "This model's evaluation has no caption with a picture. Search with a picture and words, then come back: they are explained here.";
const EXAMPLES = 8, LONGEST = 2000;
const ADDRESS = /^(image):([^:]+):(.+)$|^upload:([0-9a-f]+)$/s;

const writePicture = ({ entry, upload }) => (upload ? `upload:${upload}` : `image:${entry.source}:${entry.id}`);
/** "image:source:id" or "upload:hex" -> {entry} or {upload}; null for anything else. */
function readPicture(text) {
  const [, modality, source, id, upload] = ADDRESS.exec(text ?? "") ?? [];
  if (upload) return { upload };
  return modality ? { entry: { source, modality, id } } : null;
}

export async function drawWords(section, state, context) {
  const first = state.msource ?? state.columns[0].source, ids = [first, state.mother].filter(Boolean), { go, signal } = context;
  put(section.tools, sourceSelect(context.catalog, first, (msource) => go({ msource, mother: msource === state.mother ? null : state.mother }), "Model of the words"),
    rivalSelect(context, first, state.mother ?? "", (mother) => go({ mother: mother || null })));
  if (deafOf(ids, context)) return section.say(deafNote(ids, context));
  section.waits(FINDING, SLOW);
  const examples = await examplesOf(section, first, state, context), pair = await pairOf(section, examples, state, context);
  if (signal.aborted) return;
  const others = () => examplesPanel(examples, state, context);
  if (!pair) return section.say(empty("Nothing to explain yet", NOTHING), others());
  const asks = (source) => post("/api/metrics/words", { source, text: pair.text, ...pair.picture }, signal);
  const ask = async () => (pair.text ? Promise.all(ids.map(asks)) : []);
  const draw = (answers) => h("div", { class: "stack" }, explained(answers, { ids, pair }, context), others());
  await section.fill(JSON.stringify([ids, pair.text, pair.picture]), ask, draw, { said: SAID, slow: SLOW, context, rest: others() });
}

const seedOf = ({ wseed }) => (/^\d{1,6}$/.test(wseed ?? "") ? Number(wseed) : 0);

/** What `ask` finds; null where the server has no answer, which the explanation itself says in words. */
async function orNull(ask) {
  try {
    return await ask();
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    return null;
  }
}

/** Captions of the evaluation with their pictures, to choose from. */
async function examplesOf(section, source, state, { source: sourceOf, signal }) {
  const seed = seedOf(state), direction = sourceOf(source)?.directions.find((each) => /^(text|composed)_to_/.test(each));
  if (!direction) return [];
  const ask = () => get("/api/queries", { source, direction, kind: "random", count: EXAMPLES, seed }, signal);
  const found = await section.once(`examples ${source} ${seed}`, () => orNull(ask));
  return (found?.queries ?? []).map(({ entry }) => entry).filter(({ picture, text }) => picture && text);
}

/** The picture that an entry shows: itself, that of a text, or the reference of a composed query. */
function pictureOf({ picture }) {
  const params = picture && new URLSearchParams(picture.split("?")[1]);
  return params && { entry: { source: params.get("source"), modality: "image", id: params.get("id") } };
}

/** The picture and the text to explain: those of the address, else the query's, else the first example's. */
async function pairOf(section, examples, state, { signal }) {
  const { query, wpicture, wtext } = state, look = (entry) => section.once(`entry ${JSON.stringify(entry)}`, () => orNull(() => get("/api/entry", entry, signal)));
  const own = readPicture(wpicture);
  let picture = own, text = own ? wtext ?? "" : query.text;
  if (!own && query.upload) picture = { upload: query.upload };
  else if (!own && query.entry) {
    const entry = await look(query.entry);
    picture = entry && pictureOf(entry);
    text ||= entry?.text ?? "";
  }
  if (!picture && examples.length > 0) [picture, text] = [pictureOf(examples[0]), examples[0].text];
  if (!picture) return null;
  const entry = picture.entry && (await look(picture.entry));
  const shown = entry ?? { modality: "image", picture: picture.upload && `/api/uploads/${picture.upload}`, id: "" };
  return { picture, text: text.trim(), shown, captions: entry?.texts ?? [] };
}

function explained(answers, { ids, pair }, context) {
  const { picture, text, shown, captions } = pair, address = writePicture(picture);
  const explain = (wtext) => context.go({ wpicture: address, wtext });
  const others = captions.filter((caption) => caption !== text);
  const search = context.href({ page: "search", query: { text, upload: null, entry: null, ...picture }, among: "image" });
  const results = answers.map((answer, at) => wordsOf(answer, ids[at], { text, explain, several: ids.length > 1 }, context));
  return h("div", { class: "metrics-pair" },
    h("div", { class: "metrics-picture" }, figure(shown, { size: 384, className: "metrics-image", alt: describe(shown) }),
      h("a", { class: "small", href: search }, "Search with picture and text")),
    h("div", { class: "stack" }, editor(text, explain), answers.length > 0 ? results : h("p", { class: "muted" }, "Write what the picture shows: each word's part in the match is computed."),
      answers.length > 0 && h("p", { class: "muted small" }, `Number and bar: the similarity of the whole text, minus that without the word. A bar that rises adds to the match, one that hangs takes from it. A click leaves the word out${ids.length > 1 ? "; each model's bars have their own scale" : ""}.`),
      others.length > 0 && h("div", { class: "row tight" }, h("span", { class: "muted small" }, "Its captions"), others.map((caption) =>
        h("a", { class: "chip", href: context.href({ wpicture: address, wtext: caption }), title: caption }, h("span", {}, caption))))));
}

function editor(text, explain) {
  const box = h("textarea", { rows: "2", maxlength: String(LONGEST), "aria-label": "Text to explain", placeholder: "Describe the picture", value: text });
  const submit = (event) => {
    event.preventDefault();
    explain(box.value.trim());
  };
  box.addEventListener("keydown", (event) => event.key === "Enter" && !event.shiftKey && !event.isComposing && submit(event));
  return h("form", { class: "metrics-editor", onsubmit: submit }, box, h("button", { class: "primary" }, "Explain"));
}

/** One model's words, and in a sentence which of them matters most. */
function wordsOf({ similarity, words }, id, { text, explain, several }, context) {
  const largest = Math.max(...words.map(({ change }) => Math.abs(change)), 1e-9), hangs = words.some(({ change }) => signed(change).startsWith("\u2212"));
  const without = (place) => words.filter((_, at) => at !== place).map(({ word }) => word).join(" ");
  const each = words.map(({ word, change }, at) => {
    const said = signed(change), kind = { "+": "adds", "\u2212": "takes" }[said[0]] ?? "nothing";
    const props = { type: "button", class: `metrics-word ${kind}`, disabled: words.length === 1, "aria-label": `${word}: ${said}; leave it out`, title: words.length > 1 && "Leave this word out", onclick: () => explain(without(at)),
      style: { "--share": Math.abs(change) / largest }, dataset: { word, change } };
    return h("li", {}, h("button", props, h("span", { class: "metrics-rise" }), h("span", { class: "metrics-letters-of" }, word), hangs && h("span", { class: "metrics-hang" }), h("span", { class: "metrics-change tabular" }, said)));
  });
  return h("section", { class: "metrics-words-of", dataset: { source: id } },
    h("div", { class: "row" }, several && h("h3", {}, titleOf(context, id)), h("span", { class: "metrics-similarity" }, "similarity ", h("b", { class: "tabular" }, signedPlain(similarity)))),
    h("ol", { class: hangs ? "metrics-words-list hangs" : "metrics-words-list", "aria-label": `Words of ${text}` }, each),
    h("p", { class: "small" }, verdict(similarity, words)));
}

function verdict(similarity, words) {
  const { word, change } = words.reduce((most, each) => (Math.abs(each.change) > Math.abs(most.change) ? each : most));
  if (words.length === 1) return `“${word}” is the only word: the whole match is its own.`;
  const does = change > 0 ? "adds most" : "takes most";
  return `“${word}” ${does}: without it the similarity ${change > 0 ? "falls" : "rises"} from ${signedPlain(similarity)} to ${signedPlain(similarity - change)}.`;
}

const signedPlain = (value) => signed(value).replace(/^\+/, "");

function examplesPanel(examples, state, context) {
  const link = (entry) => h("a", { class: "metrics-example", href: context.href({ wpicture: writePicture(pictureOf(entry)), wtext: entry.text }), title: entry.text },
    thumb(entry), h("span", {}, entry.text));
  const again = () => context.go({ wseed: String(seedOf(state) + 1) });
  return examples.length > 0 && h("div", { class: "metrics-examples" },
    h("div", { class: "row" }, h("h3", {}, "Captions of the evaluation"), button([sign("dice"), "Others"], again, { class: "quiet small" })),
    h("ul", {}, examples.map((entry) => h("li", {}, link(entry)))));
}
