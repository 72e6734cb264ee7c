// Building and keeping elements.  Text from outside only ever becomes a text node.

/** An element with attributes and children; a child that is no node becomes text. */
export function el(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (key === "class") element.className = value;
    else if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else element.setAttribute(key, value === true ? "" : String(value));
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

/** An element that holds text of others: shown in its own direction, whatever stands around it. */
export function outside(name, className, text) {
  return el(name, { class: className, dir: "auto" }, text);
}

/** Sets the text of an element when it differs, so that a screen reader hears only changes. */
export function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** A time that says how long ago it was; see `tick`. */
export function since(at, prefix = "") {
  const element = el("time", { datetime: at, title: new Date(at).toLocaleString(), "data-prefix": prefix });
  element.dataset.at = at;
  return element;
}

/**
 * Shows one child of `list` for each item, in order.  A child whose item has not changed is kept,
 * with its focus and whatever is open in it.
 */
export function keep(list, items, key, build) {
  const known = new Map([...list.children].map((child) => [child.dataset.key, child]));
  let at = list.firstElementChild;
  for (const item of items) {
    const name = key(item);
    const state = JSON.stringify(item);
    let child = known.get(name);
    known.delete(name);
    if (!child || child.dataset.state !== state) {
      const fresh = build(item);
      fresh.dataset.key = name;
      fresh.dataset.state = state;
      if (child) {
        const focused = child.contains(document.activeElement) ? document.activeElement.id : "";
        if (at === child) at = fresh;
        child.replaceWith(fresh);
        if (focused) document.getElementById(focused)?.focus();
      }
      child = fresh;
    }
    if (child === at) at = at.nextElementSibling;
    else list.insertBefore(child, at);
  }
  for (const gone of known.values()) gone.remove();
}
