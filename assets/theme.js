// Puts on the theme that the learner chose here before, if any; src/ui/theme.rs keeps it.
try {
  const chosen = localStorage.getItem(`control-plane-lab ${new URL('.', document.baseURI).pathname} theme`);
  if (chosen === 'light' || chosen === 'dark') document.documentElement.dataset.theme = chosen;
} catch {
  // Storage is forbidden here: the system's preference decides.
}
