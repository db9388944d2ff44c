// Whoever works by keyboard stays where they are when a part of the page is drawn anew: on the same control,
// or on the part itself where that control is gone.
(() => {
  "use strict";
  const alike = (one, held) => one.tagName === held.tagName && (one.name || "") === (held.name || "")
    && one.textContent.trim() === held.textContent.trim();

  function back(held, part) {
    if (!part || part.contains(document.activeElement)) return;
    const same = [...part.querySelectorAll("a, button, summary, input, select, textarea")].find((one) => alike(one, held));
    // What lies folded takes no focus, and what is drawn anew comes folded.
    for (let one = same; one && one !== part; one = one.parentElement) {
      if (one.tagName !== "SUMMARY" && one.parentElement.matches("details")) one.parentElement.open = true;
    }
    same?.focus({ preventScroll: true });
    if (same && document.activeElement === same) return;
    part.tabIndex = -1;
    part.focus({ preventScroll: true });
  }

  // `swap` puts something in the place of `part`, and gives back what stands there then.
  window.keepFocus = (part, swap) => {
    const held = part.contains(document.activeElement) ? document.activeElement : null;
    const now = swap();
    if (held) back(held, now);
  };

  let held = null;
  document.addEventListener("htmx:beforeSwap", (event) => {
    held = event.detail.target.contains(document.activeElement) ? document.activeElement : null;
  });
  document.addEventListener("htmx:afterSettle", (event) => {
    if (held && !document.contains(held)) back(held, document.getElementById(event.detail.target.id));
    held = null;
  });
})();
