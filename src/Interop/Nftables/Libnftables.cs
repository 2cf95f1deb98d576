using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Accelerated.Interop.Nftables;

/// <summary>The signatures of libnftables(3), under their native names.</summary>
internal static unsafe partial class Libnftables
{
    internal const string Library = "libnftables.so.1";
    internal const string DebianPackage = "libnftables1";

    internal const uint NFT_CTX_DEFAULT = 0;
    internal const uint NFT_CTX_OUTPUT_STATELESS = 1 << 2;
    internal const uint NFT_CTX_OUTPUT_HANDLE = 1 << 3;
    internal const uint NFT_CTX_OUTPUT_JSON = 1 << 4;

    [LibraryImport(Library)]
    internal static partial NftContextHandle nft_ctx_new(uint flags);

    [LibraryImport(Library)]
    internal static partial void nft_ctx_free(nint context);

    [LibraryImport(Library)]
    internal static partial int nft_ctx_buffer_output(NftContextHandle context);

    [LibraryImport(Library)]
    internal static partial int nft_ctx_buffer_error(NftContextHandle context);

    [LibraryImport(Library)]
    internal static partial byte* nft_ctx_get_output_buffer(NftContextHandle context);

    [LibraryImport(Library)]
    internal static partial byte* nft_ctx_get_error_buffer(NftContextHandle context);

    [LibraryImport(Library)]
    internal static partial void nft_ctx_output_set_flags(NftContextHandle context, uint flags);

    [LibraryImport(Library, StringMarshalling = StringMarshalling.Utf8)]
    internal static partial int nft_run_cmd_from_buffer(NftContextHandle context, string commands);
}

/// <summary>An owned struct nft_ctx.</summary>
internal sealed class NftContextHandle : SafeHandleZeroOrMinusOneIsInvalid
{
    /// <summary>Called by the generated marshalling code.</summary>
    public NftContextHandle()
        : base(ownsHandle: true)
    {
    }

    protected override bool ReleaseHandle()
    {
        // The library counts its contexts without a lock.
        lock (NftablesContext.LibraryLock)
            Libnftables.nft_ctx_free(handle);
        return true;
    }
}
