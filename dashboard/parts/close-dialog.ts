/** Closes the dialog around an element the way its button does, so that the browser returns the focus. */
export function closeDialogOf(element: Element | null | undefined): void {
  element?.closest('dialog')?.close()
}
