using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text;
using Accelerated.Interop.Native;

namespace Accelerated.Interop.Netfilter;

/// <summary>
/// The IPv4 rules of legacy iptables (x_tables), read from the kernel as <c>iptables-legacy-save</c> does. Changes of these rules are told
/// to nobody, so whoever has to know reads again; where nothing uses them, that is one small file.
/// </summary>
public static unsafe class IptablesLegacy
{
    private const string Names = "/proc/thread-self/net/ip_tables_names";
    private const int IPT_SO_GET_INFO = 64;
    private const int IPT_SO_GET_ENTRIES = 65;
    private const int ReadAttempts = 16;
    private const int NameLength = 32;
    private const int InfoLength = 84;
    private const int EntriesHeader = 40;

    /// <summary>Reads all tables of the calling thread's network namespace that are in use. Needs CAP_NET_ADMIN if there are any.</summary>
    /// <param name="ownComment">Rules with this comment do not count for <see cref="FilterRules.Digest"/>.</param>
    /// <exception cref="NativeException">EPERM: CAP_NET_ADMIN is missing. EAGAIN: the rules change all the time.</exception>
    public static FilterRules Read(string? ownComment = null)
    {
        // Asking for a table by name would make it, so the list is read first.
        string[] names;
        try
        {
            names = File.ReadAllLines(Names);
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
            return FilterRules.None;
        }

        if (names.Length == 0)
            return FilterRules.None;

        var tables = new List<FilterTable>();
        using var digest = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        using var socket = new FileDescriptor(Libc.socket(Libc.AF_INET, Libc.SOCK_DGRAM | Libc.SOCK_CLOEXEC, 0));
        if (socket.IsInvalid)
            throw NativeException.FromLastError("open a socket for iptables");
        foreach (var name in names.Order(StringComparer.Ordinal))
        {
            var (info, entries) = Read(socket, name);
            tables.Add(IptablesBlob.Decode(name, info, entries));
            digest.AppendData(Encoding.UTF8.GetBytes(name));
            digest.AppendData(IptablesBlob.Normalize(entries, ownComment));
        }

        return new(tables, Convert.ToHexStringLower(digest.GetHashAndReset()));
    }

    private static (IptablesInfo Info, byte[] Entries) Read(FileDescriptor socket, string name)
    {
        for (var attempt = 1; attempt <= ReadAttempts; attempt++)
        {
            var info = new byte[InfoLength];
            Encoding.ASCII.GetBytes(name, info);
            if (Get(socket, IPT_SO_GET_INFO, info) != 0)
                throw NativeException.FromLastError($"read iptables table {name}");
            var decoded = MemoryMarshal.Read<IptablesInfo>(info.AsSpan(NameLength));

            var answer = new byte[EntriesHeader + (int)decoded.size];
            Encoding.ASCII.GetBytes(name, answer);
            MemoryMarshal.Write(answer.AsSpan(NameLength), decoded.size);
            if (Get(socket, IPT_SO_GET_ENTRIES, answer) == 0)
                return (decoded, answer[EntriesHeader..]);

            // The size is another one by now.
            if (Marshal.GetLastPInvokeError() is not (Errno.EAGAIN or Errno.EINVAL))
                throw NativeException.FromLastError($"read the rules of iptables table {name}");
        }

        throw new NativeException($"read iptables table {name}", Errno.EAGAIN, $"it changed during each of {ReadAttempts} readings");
    }

    private static int Get(FileDescriptor socket, int option, byte[] buffer)
    {
        var length = (uint)buffer.Length;
        fixed (byte* data = buffer)
            return Libc.getsockopt((int)socket.DangerousGetHandle(), Libc.SOL_IP, option, data, &length);
    }
}

/// <summary>struct ipt_getinfo behind the name.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct IptablesInfo
{
    internal uint valid_hooks;
    internal IptablesHooks hook_entry;
    internal IptablesHooks underflow;
    internal uint num_entries;
    internal uint size;
}

/// <summary>One offset for each of prerouting, input, forward, output and postrouting.</summary>
[InlineArray(5)]
internal struct IptablesHooks
{
    private uint _first;
}
