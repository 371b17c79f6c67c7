"""What lies on disk: where files live, how they are written, and how damage in what is read again is found.

Comes in: writing in one go (`files`), near matches of mistyped paths (`near_paths`), folders of runs (`folders`),
folders that are thrown away (`scratch`), locks between processes (`locks`), digests (`digests`), sealed files
(`seals`), JSON that says nothing twice (`strict_json`) and how large an image is, by its header (`image_headers`).
Nothing here knows what a file is about.
"""
