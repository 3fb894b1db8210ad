// Runs before the first paint: a theme that was chosen must not flash.
const chosen = localStorage.getItem('gatehouse.theme');
if (chosen === 'dark' || chosen === 'light') document.documentElement.dataset['theme'] = chosen;
