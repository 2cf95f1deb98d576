using System.Runtime.InteropServices;
using Accelerated.Interop.Native;
using Accelerated.Interop.Netlink;

namespace Accelerated.Interop.Nftables;

/// <summary>Runs nftables commands without an <c>nft</c> process, through libnftables(3).</summary>
/// <remarks>
/// Bound to the network namespace of the thread that opened it. One caller at a time. Changing rules needs CAP_NET_ADMIN.
/// The library is loaded at the first <see cref="Open"/>, so a host without it runs everything else.
/// </remarks>
public sealed unsafe class NftablesContext : IDisposable
{
    internal static readonly Lock LibraryLock = new();

    // FD_SETSIZE: the library waits with select(2), and glibc ends the process (abort) at the first descriptor beyond it.
    private const int SelectLimit = 1024;

    private readonly NftContextHandle _context;
    private readonly int _socket;

    private NftablesContext(NftContextHandle context, int socket)
    {
        _context = context;
        _socket = socket;
    }

    /// <summary>
    /// The netlink address of the context's socket: <see cref="NftablesEvent.PortId"/> of the transactions it makes. 0 when it cannot be
    /// told. The library reopens its socket if the rules change while it reads them, so read this after each run.
    /// </summary>
    public uint PortId => ReadPortId(_socket);

    /// <summary>Makes a context for the network namespace of the calling thread.</summary>
    /// <exception cref="NativeLibraryMissingException">libnftables is not installed.</exception>
    /// <exception cref="NativeException">The kernel has no nfnetlink, or this process has more than a thousand descriptors open
    /// (EMFILE): make the context early and keep it.</exception>
    public static NftablesContext Open()
    {
        NativeLibraryMissingException.ThrowIfMissing(Libnftables.Library, Libnftables.DebianPackage);

        lock (LibraryLock)
        {
            // libnftables calls exit(3) if it cannot open its socket. Find out before it does.
            NetlinkSocket.Open(Nl.NETLINK_NETFILTER, "nfnetlink").Dispose();

            // The library does not tell which descriptor is its socket; it is the one that was not there before. Another thread may open
            // descriptors meanwhile, but not nfnetlink sockets: contexts are made under this lock and monitors use it too.
            var before = NetfilterSockets();
            var context = Libnftables.nft_ctx_new(Libnftables.NFT_CTX_DEFAULT);
            if (context.IsInvalid)
                throw new InsufficientMemoryException("nft_ctx_new returned no context");
            try
            {
                if (Libnftables.nft_ctx_buffer_output(context) != 0 || Libnftables.nft_ctx_buffer_error(context) != 0)
                    throw new InsufficientMemoryException("libnftables has no memory for its output");
                var added = NetfilterSockets();
                added.ExceptWith(before);
                if (added.Count != 1)
                    return new(context, -1);

                // The library leaves it to the first request to give the socket an address; it should have one that a monitor can be told.
                var socket = added.First();
                if (socket >= SelectLimit)
                    throw new NativeException("open nftables context", Errno.EMFILE, $"libnftables cannot use descriptors from {SelectLimit} on");
                var any = new SockAddrNl { nl_family = Libc.AF_NETLINK };
                return new(context, Libc.bind(socket, &any, (uint)sizeof(SockAddrNl)) == 0 ? socket : -1);
            }
            catch
            {
                context.Dispose();
                throw;
            }
        }
    }

    /// <summary>Runs commands as one transaction (<c>nft -f</c>): all of them take effect at once, or none does.</summary>
    /// <param name="commands">Commands in nft(8) syntax, separated by line ends.</param>
    /// <returns>What they printed, for list commands; otherwise empty.</returns>
    /// <exception cref="NftablesException">They were refused.</exception>
    public string Run(string commands) => Run(commands, flags: 0);

    /// <summary>As <see cref="Run(string)"/>, with lists printed as JSON (<c>nft -j</c>, libnftables-json(5)).</summary>
    public string RunJson(string commands) => Run(commands, Libnftables.NFT_CTX_OUTPUT_JSON);

    /// <summary>As <see cref="Run(string)"/>, with lists printed without what changes by itself, such as the values of counters (<c>nft -s</c>).</summary>
    public string RunStateless(string commands) => Run(commands, Libnftables.NFT_CTX_OUTPUT_STATELESS);

    /// <summary>As <see cref="Run(string)"/>, with handles (<c>nft -a</c>) and without what counters have counted (<c>nft -s</c>).</summary>
    public string RunWithHandles(string commands) => Run(commands, Libnftables.NFT_CTX_OUTPUT_HANDLE | Libnftables.NFT_CTX_OUTPUT_STATELESS);

    /// <summary>Closes the context.</summary>
    public void Dispose() => _context.Dispose();

    private string Run(string commands, uint flags)
    {
        ArgumentNullException.ThrowIfNull(commands);
        Libnftables.nft_ctx_output_set_flags(_context, flags);
        var result = Libnftables.nft_run_cmd_from_buffer(_context, commands);

        // Reading a buffer empties it for the next run, so both are read each time.
        var output = Marshal.PtrToStringUTF8((nint)Libnftables.nft_ctx_get_output_buffer(_context)) ?? "";
        var error = Marshal.PtrToStringUTF8((nint)Libnftables.nft_ctx_get_error_buffer(_context)) ?? "";
        return result == 0 ? output : throw new NftablesException(commands, error);
    }

    private static HashSet<int> NetfilterSockets()
    {
        var sockets = new HashSet<int>();
        foreach (var path in Directory.EnumerateFileSystemEntries("/proc/self/fd"))
        {
            if (int.TryParse(Path.GetFileName(path), out var fd)
                && ReadOption(fd, Libc.SO_DOMAIN) == Libc.AF_NETLINK
                && ReadOption(fd, Libc.SO_PROTOCOL) == Nl.NETLINK_NETFILTER)
                sockets.Add(fd);
        }

        return sockets;
    }

    private static int ReadOption(int fd, int option)
    {
        var value = 0;
        var length = (uint)sizeof(int);
        return Libc.getsockopt(fd, Libc.SOL_SOCKET, option, &value, &length) == 0 ? value : -1;
    }

    private static uint ReadPortId(int fd)
    {
        var address = default(SockAddrNl);
        var length = (uint)sizeof(SockAddrNl);
        return fd >= 0
            && ReadOption(fd, Libc.SO_PROTOCOL) == Nl.NETLINK_NETFILTER
            && Libc.getsockname(fd, &address, &length) == 0
            && address.nl_family == Libc.AF_NETLINK
            ? address.nl_pid
            : 0;
    }
}
