(() => {
  const pages = ["loop", "clinic", "projects", "labels", "reward", "policies", "arena", "runs", "export"];
  const show = () => {
    const wanted = location.hash.slice(1).split("/")[0];
    const page = pages.includes(wanted) ? wanted : "loop";
    document.documentElement.dataset.page = page;
    document.querySelectorAll("#nav a").forEach((link) => {
      link.getAttribute("href") === "#" + page ? link.setAttribute("aria-current", "page") : link.removeAttribute("aria-current");
    });
    requestAnimationFrame(() => window.dispatchEvent(new Event("resize")));
  };
  window.addEventListener("hashchange", () => {
    show();
    window.scrollTo(0, 0);
    document.querySelector("#turned")?.click();
  });
  new MutationObserver(() => { if (document.querySelector("#nav a:not([data-seen])")) {
    document.querySelectorAll("#nav a").forEach((link) => { link.dataset.seen = ""; }); show(); } })
    .observe(document.documentElement, { childList: true, subtree: true });
  show();
})();
