// What views are, and what they get.
import type { FunctionComponent } from "preact";

export interface Model {
  title: string;
  path: string;
  facts: string[];
  /** Words: "context" and "word2vec", as far as the model has them. */
  spaces: string[];
  has_senses: boolean;
  sample: string;
  sentence: string;
  /** Facts about other kinds of models. */
  [more: string]: unknown;
}

export interface About {
  kind: string;
  title: string;
  models: Model[];
  [more: string]: unknown;
}

export interface ViewProps {
  about: About;
  /** Which of the models. */
  number: number;
  parameters: Record<string, string>;
  /** Changes when the model is loaded again. */
  version: number;
}

export interface View {
  name: string;
  label: string;
  Component: FunctionComponent<ViewProps>;
}
