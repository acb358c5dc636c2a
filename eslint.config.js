import js from "@eslint/js";

const PAGE = {
  ...{ document: "readonly", window: "readonly", navigator: "readonly", fetch: "readonly" },
  ...{ URL: "readonly", URLSearchParams: "readonly", File: "readonly", Response: "readonly" },
  ...{
    AbortController: "readonly",
    requestAnimationFrame: "readonly",
    IntersectionObserver: "readonly",
    console: "readonly",
  },
  ...{ setTimeout: "readonly", clearTimeout: "readonly", process: "readonly" },
};

export default [
  js.configs.recommended,
  {
    languageOptions: { ecmaVersion: 2022, sourceType: "module", globals: PAGE },
    rules: {
      "no-var": "error",
      "prefer-const": "error",
      eqeqeq: "error",
      "no-console": "error",
      "no-alert": "error",
      "no-implied-eval": "error",
    },
  },
];
