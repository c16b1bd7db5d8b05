//! What an object store that stands around another passes on as it is: reading, listing, or whatever
//! else it names.
//!
//! Inside an `impl`, `async_trait` does not see what a macro makes, so it is written out here as that
//! would write it.

/// The named methods of `ObjectStore`, as the store in this field does them.
macro_rules! passes_on {
    ($inner:tt: $($method:ident),+) => {
        $($crate::store::passes_on::passes_on!(@$method $inner);)+
    };
    (@get_opts $inner:tt) => {
        fn get_opts<'s, 'l, 'f>(
            &'s self,
            location: &'l object_store::path::Path,
            options: object_store::GetOptions,
        ) -> futures::future::BoxFuture<'f, object_store::Result<object_store::GetResult>>
        where
            's: 'f,
            'l: 'f,
            Self: 'f,
        {
            self.$inner.get_opts(location, options)
        }
    };
    (@put_multipart_opts $inner:tt) => {
        fn put_multipart_opts<'s, 'l, 'f>(
            &'s self,
            location: &'l object_store::path::Path,
            options: object_store::PutMultipartOptions,
        ) -> futures::future::BoxFuture<'f, object_store::Result<Box<dyn object_store::MultipartUpload>>>
        where
            's: 'f,
            'l: 'f,
            Self: 'f,
        {
            self.$inner.put_multipart_opts(location, options)
        }
    };
    (@delete_stream $inner:tt) => {
        fn delete_stream(
            &self,
            locations: futures::stream::BoxStream<
                'static,
                object_store::Result<object_store::path::Path>,
            >,
        ) -> futures::stream::BoxStream<'static, object_store::Result<object_store::path::Path>> {
            self.$inner.delete_stream(locations)
        }
    };
    (@list $inner:tt) => {
        fn list(
            &self,
            prefix: Option<&object_store::path::Path>,
        ) -> futures::stream::BoxStream<'static, object_store::Result<object_store::ObjectMeta>> {
            self.$inner.list(prefix)
        }
    };
    (@list_with_delimiter $inner:tt) => {
        fn list_with_delimiter<'s, 'l, 'f>(
            &'s self,
            prefix: Option<&'l object_store::path::Path>,
        ) -> futures::future::BoxFuture<'f, object_store::Result<object_store::ListResult>>
        where
            's: 'f,
            'l: 'f,
            Self: 'f,
        {
            self.$inner.list_with_delimiter(prefix)
        }
    };
    (@copy_opts $inner:tt) => {
        fn copy_opts<'s, 'l, 'm, 'f>(
            &'s self,
            from: &'l object_store::path::Path,
            to: &'m object_store::path::Path,
            options: object_store::CopyOptions,
        ) -> futures::future::BoxFuture<'f, object_store::Result<()>>
        where
            's: 'f,
            'l: 'f,
            'm: 'f,
            Self: 'f,
        {
            self.$inner.copy_opts(from, to, options)
        }
    };
}

pub(crate) use passes_on;
