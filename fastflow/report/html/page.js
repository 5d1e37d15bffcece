"use strict";
// Conveniences only: the page is complete without them.
(() => {
  const grid = document.querySelector(".cards");
  const order = document.getElementById("order");
  if (grid && order) {
    order.closest("p").hidden = false;
    order.addEventListener("change", () => {
      const key = order.value;
      const sign = key === "calls" ? -1 : 1;
      const value = (card) => Number(card.dataset[key]);
      [...grid.children].sort((a, b) => sign * (value(a) - value(b))).forEach((c) => grid.append(c));
    });
  }

  const dialog = document.getElementById("viewer");
  const picture = dialog.querySelector("img");
  const caption = dialog.querySelector("p");
  let pair = [];
  let at = 0;
  const show = (i) => {
    at = i % pair.length;
    picture.src = pair[at].src;
    picture.alt = pair[at].alt;
    const other = pair.length > 1 ? " — click or press space to compare" : "";
    caption.textContent = `${pair[at].dataset.side}${other}`;
  };
  const open = (image) => {
    pair = [...image.closest(".pair").querySelectorAll("img")];
    show(pair.indexOf(image));
    dialog.showModal();
  };
  document.querySelectorAll(".pair img").forEach((image) => {
    image.tabIndex = 0;
    image.setAttribute("role", "button");
    image.addEventListener("click", () => open(image));
    image.addEventListener("keydown", (event) => {
      if (event.key === "Enter") open(image);
    });
  });
  picture.addEventListener("click", () => show(at + 1));
  dialog.addEventListener("keydown", (event) => {
    if (event.key === " ") {
      event.preventDefault();
      show(at + 1);
    }
  });
  dialog.addEventListener("click", (event) => {
    if (event.target === dialog) dialog.close();
  });

  const unfold = () => {
    const target = location.hash && document.getElementById(location.hash.slice(1));
    const details = target && target.closest("details");
    if (details) details.open = true;
    if (target) target.scrollIntoView({ block: "center" });
  };
  addEventListener("hashchange", unfold);
  unfold();
  document.documentElement.dataset.ready = "yes";
})();
