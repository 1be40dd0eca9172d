// A picture from outside: dropped anywhere on the page, or pasted.
import { h } from "./dom.js";

const firstFile = (transfer) => [...(transfer?.files ?? [])][0];
const carriesFiles = (event) => event.dataTransfer?.types.includes("Files");

/** Call `onPicture` with each file that is dropped or pasted; a veil says that dropping is possible. */
export function takePictures(onPicture) {
  const veil = h("div", { class: "veil", hidden: true }, h("p", {}, "Drop the picture to search with it"));
  document.body.append(veil);
  document.addEventListener("dragover", (event) => {
    if (!carriesFiles(event)) return;
    event.preventDefault();
    veil.hidden = false;
  });
  document.addEventListener("dragleave", (event) => {
    if (!event.relatedTarget) veil.hidden = true;
  });
  document.addEventListener("drop", (event) => {
    veil.hidden = true;
    if (!carriesFiles(event)) return;
    event.preventDefault();
    onPicture(firstFile(event.dataTransfer));
  });
  document.addEventListener("paste", (event) => {
    const file = firstFile(event.clipboardData);
    if (!file) return;
    event.preventDefault();
    onPicture(file);
  });
}
