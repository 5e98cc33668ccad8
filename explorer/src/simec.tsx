// Views of encoders, recommenders and link predictors.
import type { About, View } from "./views";

export const simecViews: Record<string, (about: About) => View[]> = {};
