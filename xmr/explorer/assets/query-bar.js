// The query bar above the pages: words, a picture of one's own, or an entry; below them what is searched.
import { ApiError, get, upload } from "./api.js";
import { describe, thumb } from "./cards.js";
import { button, h, put, sign, signButton } from "./dom.js";
import { queryOptions } from "./query-options.js";
import { asked, isQueried, NOTHING, wordsOf } from "./state.js";

const PICK = "Search with a picture: choose one, or drop or paste it anywhere";
const megabytes = (bytes) => `${(bytes / 2 ** 20).toFixed(1)} MB`;
const keyOf = ({ upload: uploaded, entry }) => uploaded ?? JSON.stringify(entry);

class QueryBar {
  constructor(root, context) {
    this.root = root;
    this.context = context;
    this.known = new Map(); // entries and uploads that the bar has shown
    this.build();
  }

  build() {
    this.input = h("input", { type: "text", id: "query-text", autocomplete: "off", "aria-label": "Query text",
      enterkeyhint: "search", maxlength: "2000", onkeydown: (event) => event.key === "Escape" && this.input.blur() });
    const chosen = () => this.file.files[0] && this.upload(this.file.files[0]);
    this.file = h("input", { type: "file", accept: "image/*", hidden: true, onchange: chosen });
    this.picture = h("span", { class: "query-picture", hidden: true });
    this.clear = signButton("cross", "Clear the query", () => this.ask(NOTHING));
    const pick = button([sign("picture"), h("span", {}, "Picture")], () => this.file.click(), { class: "pick", title: PICK });
    const search = h("button", { class: "primary" }, sign("search"), h("span", {}, "Search"));
    const box = h("div", { class: "query-box" }, this.picture, this.input, this.clear);
    const submit = (event) => this.submit(event);
    this.problem = h("div", { class: "query-problem", role: "alert", hidden: true });
    this.options = h("div", { class: "row query-options" });
    const form = h("form", { class: "query-form", role: "search", onsubmit: submit }, box, pick, this.file, search);
    put(this.root, form, this.problem, this.options);
  }

  /** Show the state's query. */
  update(state) {
    this.state = state;
    this.root.hidden = !isQueried(state.page);
    this.input.value = state.query.text;
    this.clear.hidden = !asked(state.query);
    this.problem.hidden = true;
    this.drawPicture();
    put(this.options, queryOptions(state, this.context));
  }

  focus() {
    if (this.root.hidden) return;
    this.input.focus();
    this.input.select();
  }

  ask(query) {
    this.context.go({ query });
  }

  submit(event) {
    event.preventDefault();
    const { query } = this.state, text = this.input.value.trim();
    const keepsEntry = query.entry?.modality === "image" || !text; // words go with a picture; they replace a text
    const next = { ...query, text, entry: keepsEntry ? query.entry : null };
    if (!asked(next)) return this.input.focus();
    this.input.blur();
    this.ask(next);
  }

  /** Search with a picture file; words that were typed but not yet searched go with it. */
  async upload(file) {
    const limit = this.context.catalog.limits.upload_bytes, { query } = this.state;
    this.file.value = "";
    if (file.size > limit) return this.complain(`This file has ${megabytes(file.size)}; a picture may have ${megabytes(limit)}.`);
    const typed = this.input.value.trim(), text = typed === query.text ? "" : typed;
    this.picture.hidden = false;
    put(this.picture, h("span", { class: "spinner" }), "reading the picture…");
    try {
      const { upload: id, picture } = await upload(file);
      this.known.set(id, { picture, text: file.name, modality: "image" });
      this.context.go({ page: this.context.asking, query: { text, upload: id, entry: null } });
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      this.drawPicture();
      this.complain(error.message);
    }
  }

  complain(message) {
    this.problem.hidden = false;
    put(this.problem, message, signButton("cross", "Dismiss", () => (this.problem.hidden = true)));
  }

  /** The query's picture or entry, as a chip that can be taken away. */
  async drawPicture() {
    const { query } = this.state, { entry, upload: uploaded, text } = query, key = keyOf(query);
    const joins = Boolean(uploaded) || entry?.modality === "image";
    put(this.picture);
    this.picture.hidden = !entry && !uploaded;
    this.input.placeholder = joins ? "add words to the picture" : "search with other words";
    if (this.picture.hidden) return void (this.input.placeholder = "Describe what you look for, or drop a picture anywhere");
    if (!this.known.has(key)) this.known.set(key, await this.lookUp(query));
    if (key !== keyOf(this.state.query)) return; // something else was asked meanwhile
    const full = this.known.get(key), content = [thumb(full), !joins && h("span", {}, describe(full))];
    const show = () => entry && this.context.details({ ...full, ...entry });
    put(this.picture, button(content, show, { class: "quiet query-entry", title: entry ? "Details" : full.text }),
      signButton("cross", "Take this out of the query", () => this.ask(wordsOf(text))));
  }

  async lookUp({ entry, upload: uploaded }) {
    if (uploaded) return { picture: `/api/uploads/${uploaded}`, text: "uploaded picture", modality: "image" };
    try {
      return await get("/api/entry", entry);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      return { ...entry, picture: null, text: null }; // the page below says what is wrong with it
    }
  }
}

/** The bar inside `root`: {update(state), focus(), upload(file)}. */
export const queryBar = (root, context) => new QueryBar(root, context);
