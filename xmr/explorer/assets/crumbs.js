// The last queries of this visit, each one click away.
import { thumb } from "./cards.js";
import { h } from "./dom.js";

const KEY = "xmr-queries", MOST = 9;
const same = (one, other) => JSON.stringify(one) === JSON.stringify(other);
const stored = () => JSON.parse(sessionStorage.getItem(KEY) ?? "[]");

/** Note a query that was answered; `said` is what the server says of it. One that is there keeps its place. */
export function remember(query, said) {
  const crumbs = stored(), at = crumbs.findIndex((each) => same(each.query, query));
  const crumb = { query, description: said.description, picture: said.picture ?? said.entry?.picture ?? null };
  if (at >= 0) crumbs[at] = crumb;
  else crumbs.push(crumb);
  sessionStorage.setItem(KEY, JSON.stringify(crumbs.slice(-MOST)));
}

/** Links to the last queries, once there are two. */
export function breadcrumbs(state, context) {
  const crumbs = stored();
  if (crumbs.length < 2) return [];
  const links = crumbs.map(({ query, description, picture }) => {
    const current = same(query, state.query) && "true";
    return h("a", { class: "chip crumb", href: context.href({ query }), "aria-current": current, title: description },
      picture && thumb({ picture, modality: "image" }),
      (!picture || query.text) && h("span", {}, query.text || description));
  });
  return [h("span", { class: "muted small" }, "last queries"), links];
}
