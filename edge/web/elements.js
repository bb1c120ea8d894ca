// Elements made without HTML: nothing that comes from the box is ever parsed as markup.
export const byId = (id) => document.getElementById(id);

export function make(tag, className, content) {
  const element = document.createElement(tag);
  if (className) element.className = className;
  for (const part of [].concat(content === undefined ? [] : content)) {
    if (part !== null) element.append(part);
  }
  return element;
}

export function shape(name) {
  const space = "http://www.w3.org/2000/svg";
  const picture = document.createElementNS(space, "svg");
  const use = document.createElementNS(space, "use");
  picture.setAttribute("aria-hidden", "true");
  use.setAttribute("href", "#shape-" + name);
  picture.append(use);
  return picture;
}

export function replace(element, children) {
  while (element.firstChild) element.removeChild(element.firstChild);
  element.append(...children);
}

// Clauses stay whole where there is room: a line breaks after the comma, not inside a word of four characters.
export function clauses(words) {
  return (words.match(/[^，；：。]+[，；：。]?/g) || []).map((clause) => make("span", "clause", clause));
}
