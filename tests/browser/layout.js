// What is wrong with the figures of a page, as a reader would see it: a list of sentences.
(() => {
  const GRID = "rgb(221, 227, 234)";
  const faults = [];
  const shown = (box) => box.width > 0 && box.height > 0;
  const name = (svg) => (svg.getAttribute("aria-label") || svg.getAttribute("class") || "").slice(0, 60);

  if (document.documentElement.scrollWidth > window.innerWidth + 1) {
    faults.push(`the page is ${document.documentElement.scrollWidth} wide`);
  }
  for (const svg of document.querySelectorAll("svg[role=img]")) {
    const frame = svg.getBoundingClientRect();
    if (!shown(frame)) continue; // in closed details
    const labels = [...svg.querySelectorAll("text")]
      .map((label) => ({ text: label.textContent.trim(), box: label.getBoundingClientRect() }))
      .filter(({ text, box }) => text && shown(box));
    for (const [place, one] of labels.entries()) {
      const { box } = one;
      if (box.left < frame.left - 1 || box.right > frame.right + 1 ||
          box.top < frame.top - 1 || box.bottom > frame.bottom + 1) {
        faults.push(`${name(svg)}: '${one.text}' is cut off`);
      }
      for (const other of labels.slice(place + 1)) {
        const across = Math.min(box.right, other.box.right) - Math.max(box.left, other.box.left);
        const down = Math.min(box.bottom, other.box.bottom) - Math.max(box.top, other.box.top);
        // A box is as tall as the tallest letters, so lines that touch do not overlap.
        const smaller = Math.min(box.width * box.height, other.box.width * other.box.height);
        if (across > 1 && down > 1 && across * down > 0.25 * smaller) {
          faults.push(`${name(svg)}: '${one.text}' and '${other.text}' overlap`);
        }
      }
    }
    const drawn = [...svg.querySelectorAll("path, use, image, rect, circle, polygon")].filter((mark) => {
      const style = getComputedStyle(mark);
      const clipped = mark.closest("[clip-path]") || mark.tagName === "image" ||
        svg.querySelector("[clip-path]") === null;
      const visible = style.stroke !== GRID || (style.fill !== "none" && style.fill !== GRID);
      return clipped && visible && shown(mark.getBoundingClientRect()) && !mark.closest("defs");
    });
    if (drawn.length === 0) faults.push(`${name(svg)}: nothing is drawn`);
  }
  for (const path of document.querySelectorAll("svg.sparkline path")) {
    if (!path.getAttribute("d")) faults.push("a sparkline is empty");
  }
  return faults;
})()
