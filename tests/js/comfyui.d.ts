// What the page's own two modules export; its types are a tool for checking, never shipped.
declare module "*/scripts/app.js" {
  import type { ComfyApp } from "@comfyorg/comfyui-frontend-types";
  export const app: ComfyApp;
}
declare module "*/scripts/api.js" {
  import type { ComfyApi } from "@comfyorg/comfyui-frontend-types";
  export const api: ComfyApi;
}
