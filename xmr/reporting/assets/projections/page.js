// The page around the plots: the card of the point hovered over, the same in all plots, and the legend.
function redraw() { panes.forEach((pane) => pane.draw()); }

function hover(entry, event) {
  const card = find("card");
  if (entry !== hovered) {
    hovered = entry;
    redraw();
    card.hidden = entry === null;
    if (entry !== null) fillCard(card, entries[entry]);
  }
  if (entry === null) return;
  const { width, height } = card.getBoundingClientRect(), gap = 16, edge = 8;
  let left = event.clientX + gap, top = event.clientY + gap;
  if (left + width + edge > window.innerWidth) left = event.clientX - gap - width;
  if (top + height + edge > window.innerHeight) top = event.clientY - gap - height;
  card.style.left = `${Math.min(Math.max(left, edge), Math.max(window.innerWidth - width - edge, edge))}px`;
  card.style.top = `${Math.max(top, edge)}px`;
}

function fillCard(card, entry) {
  card.replaceChildren();
  const { name } = classes[entry.class], modality = modalities[entry.modality];
  if (entry.picture !== undefined) {
    // its size is set before it is loaded: the card is placed by it
    const [source, width, height] = pictures[entry.picture], scale = 192 / Math.max(width, height);
    make("img", card, { src: source, alt: "", width: width * scale, height: height * scale });
  }
  const label = make("div", card, { className: "label" });
  label.innerHTML = sign(modality.shape, inBoth(classes[entry.class]));
  make("span", label, { textContent: name });
  if (entry.caption) make("div", card, { className: "caption", textContent: entry.caption });
  make("div", card, { className: "id", textContent: `${modality.name} ${entry.id}` });
}

function legendEntry(parent, shape, colour, each, hidden, at) {
  const button = make("button", parent, { type: "button", className: "entry", title: each.name }, { "aria-pressed": true });
  button.innerHTML = sign(shape, colour);
  make("span", button, { className: "name", textContent: each.name });
  make("span", button, { className: "number", textContent: each.count.toLocaleString("en") });
  button.addEventListener("click", () => {
    hidden.has(at) ? hidden.delete(at) : hidden.add(at);
    button.setAttribute("aria-pressed", !hidden.has(at));
    redraw();
  });
  return button;
}

function buildLegend() {
  const byModality = data.coloured_by === "modality";
  find("legend-title").textContent = byModality ? "Modalities" : `${classes.length.toLocaleString("en")} classes`;
  if (!byModality && modalities.length > 1) {
    modalities.forEach((each, at) =>
      legendEntry(find("modalities"), each.shape, "var(--muted)", each, hiddenModalities, at));
  }
  const buttons = classes.map((each, at) => {
    const shape = byModality ? modalities.find((modality) => modality.name === each.name).shape : "circle";
    const button = legendEntry(find("classes"), shape, inBoth(each), each, hiddenClasses, at);
    const emphasise = (value) => { emphasised = value; redraw(); };
    button.addEventListener("pointerenter", (event) => { if (event.pointerType === "mouse") emphasise(at); });
    button.addEventListener("pointerleave", () => emphasise(null));
    return button;
  });
  const set = (isHidden) => {
    classes.forEach((_, at) => (isHidden ? hiddenClasses.add(at) : hiddenClasses.delete(at)));
    buttons.forEach((button) => button.setAttribute("aria-pressed", !isHidden));
    redraw();
  };
  find("all").addEventListener("click", () => set(false));
  find("none").addEventListener("click", () => set(true));
}

function compare(isOn) {
  find("compare").setAttribute("aria-pressed", isOn);
  if (isOn) panes.push(new Pane(find("panes"), (tabs.indexOf(panes[0].tab) + 1) % tabs.length));
  else panes.pop().root.remove();
}

buildLegend();
panes.push(new Pane(find("panes"), 0));
find("compare").hidden = tabs.length < 2;
find("compare").addEventListener("click", () => compare(panes.length === 1));
darkPage.addEventListener("change", redraw);
