// Buttons that copy the command beside them.
"use strict";
function copyText(text, said) {
  const done = () => { document.getElementById("status").textContent = said; };
  if (navigator.clipboard) navigator.clipboard.writeText(text).then(done, done);
  else done();
}
for (const button of document.querySelectorAll("button.copy")) {
  button.addEventListener("click", () => {
    copyText(button.previousElementSibling.textContent, "Copied");
    button.textContent = "Copied";
    setTimeout(() => { button.textContent = "Copy"; }, 1500);
  });
}
