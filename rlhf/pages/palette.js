// Ctrl+K: go to a page by a part of its name, or to a run, policy or reward model by its id.
(() => {
  const part = (id) => document.getElementById(id);
  let chosen = 0;
  const targets = (typed) => {
    const prefix = /^([a-z]+)\d+$/.exec(typed)?.[1], page = part("go").dataset[prefix];
    const named = [...document.querySelectorAll("#nav a")].map((link) => [link.textContent, link.getAttribute("href")]);
    const found = named.filter(([title, href]) => `${title} ${href}`.toLowerCase().includes(typed));
    return page ? [[typed, `#${page}/${typed}`], ...found] : found;
  };
  const draw = () => {
    const found = targets(part("go-typed").value.trim().toLowerCase());
    chosen = Math.max(0, Math.min(chosen, found.length - 1));
    part("go-list").replaceChildren(...found.map(([title, href], place) => {
      const option = document.createElement("li");
      Object.assign(option, { id: `go-${place}`, role: "option", textContent: title, ariaSelected: String(place === chosen) });
      option.dataset.href = href;
      return option;
    }));
    part("go-none").hidden = found.length > 0;
    part("go-typed").setAttribute("aria-activedescendant", found.length ? `go-${chosen}` : "");
    part(`go-${chosen}`)?.scrollIntoView({ block: "nearest" });
  };
  const open = () => {
    if (part("go").open) return part("go").close();
    part("go-typed").value = "";
    chosen = 0;
    draw();
    part("go").showModal();
  };
  const go = (option) => {
    if (!option) return;
    part("go").close();
    location.assign(option.dataset.href);
  };
  document.addEventListener("keydown", (event) => {
    if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "k") {
      event.preventDefault();
      return open();
    }
    if (event.target.id !== "go-typed") return;
    if (event.key === "Enter") {
      event.preventDefault(); // else it would press the button that gets the focus back
      return go(part(`go-${chosen}`));
    }
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!step) return;
    event.preventDefault();
    chosen += step;
    draw();
  });
  document.addEventListener("input", (event) => {
    if (event.target.id !== "go-typed") return;
    chosen = 0;
    draw();
  });
  document.addEventListener("click", (event) => {
    if (event.target.closest("#go-open")) return open();
    if (event.target.id === "go") part("go").close(); // outside of its box
    go(event.target.closest("#go-list li"));
  });
})();
