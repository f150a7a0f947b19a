"use strict";
for (const article of document.querySelectorAll("article")) {
  const bar = article.querySelector(".find");
  const [find, kind, said] = [bar.querySelector("input"), bar.querySelector("select"), bar.querySelector("[role=status]")];
  const cases = [...article.querySelectorAll(".case")];
  const show = () => {
    const text = find.value.trim().toLowerCase();
    let n = 0;
    for (const it of cases) {
      const fits = (!kind.value || it.dataset.kind === kind.value) && (!text || it.textContent.toLowerCase().includes(text));
      it.hidden = !fits;
      n += fits;
    }
    said.textContent = `${n} of ${cases.length}`;
  };
  find.addEventListener("input", show);
  kind.addEventListener("change", show);
  bar.hidden = false;
  show();
}
